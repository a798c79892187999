"""The texts that retrievers are checked with."""

from __future__ import annotations

from xqgbench.types import Passage

#: Language -> the same four questions.
QUESTIONS = {
    "en": (
        "What is the longest river in Africa?",
        "Who wrote the first novel in the world?",
        "How many moons does Mars have?",
        "When was the Eiffel Tower built?",
    ),
    "ar": (
        "ما هو أطول نهر في أفريقيا؟",
        "من كتب أول رواية في العالم؟",
        "كم قمرا للمريخ؟",
        "متى بني برج إيفل؟",
    ),
    "bn": (
        "আফ্রিকার দীর্ঘতম নদী কোনটি?",
        "পৃথিবীর প্রথম উপন্যাস কে লিখেছিলেন?",
        "মঙ্গল গ্রহের কয়টি চাঁদ আছে?",
        "আইফেল টাওয়ার কবে নির্মিত হয়েছিল?",
    ),
    "fi": (
        "Mikä on Afrikan pisin joki?",
        "Kuka kirjoitti maailman ensimmäisen romaanin?",
        "Montako kuuta Marsilla on?",
        "Milloin Eiffel-torni rakennettiin?",
    ),
    "ja": (
        "アフリカで一番長い川は何ですか。",
        "世界で最初の小説を書いたのは誰ですか。",
        "火星にはいくつの衛星がありますか。",
        "エッフェル塔はいつ建てられましたか。",
    ),
    "ko": (
        "아프리카에서 가장 긴 강은 무엇입니까?",
        "세계 최초의 소설을 쓴 사람은 누구입니까?",
        "화성에는 위성이 몇 개 있습니까?",
        "에펠탑은 언제 지어졌습니까?",
    ),
    "ru": (
        "Какая река самая длинная в Африке?",
        "Кто написал первый роман в мире?",
        "Сколько спутников у Марса?",
        "Когда была построена Эйфелева башня?",
    ),
    "te": (
        "ఆఫ్రికాలో అతి పొడవైన నది ఏది?",
        "ప్రపంచంలో మొదటి నవల ఎవరు రాశారు?",
        "అంగారకుడికి ఎన్ని చంద్రులు ఉన్నాయి?",
        "ఈఫిల్ టవర్ ఎప్పుడు నిర్మించబడింది?",
    ),
}

#: Some hundred words, as a passage has them.
PARAGRAPH = (
    "The river rises among springs in the hills and runs north through a gorge before it reaches the plain, where "
    "farmers have led its water into their fields since before anybody wrote. Floods used to come with the rains of "
    "late summer; a dam that was finished in 1968 holds them back now, and the lake behind it gives light to four "
    "towns. Herons and storks nest on the islands. A railway bridge crosses near the mouth, and below it the stream "
    "parts into three arms, the widest of which ships can follow for eleven miles up to the old harbour."
)

#: Texts of unequal length in several scripts, so that any batch of them has to be padded.
TEXTS = ("1969", *(questions[0] for questions in QUESTIONS.values()), PARAGRAPH[:210], QUESTIONS["en"][2])

PASSAGES = (
    Passage("kemi", "Kemi", "The longest river in Finland flows into the Gulf of Bothnia."),
    Passage("river", "", PARAGRAPH[:210]),
    Passage("tone", "利根川", "日本で流域面積が最も広い川で、坂東太郎とも呼ばれる。"),
)

#: Name -> a text as data sets hold them now and then. Lone surrogates are not among them: no file of UTF-8 has any.
ODD = {
    "an empty text": "",
    "spaces": "   ",
    "a line break": "one line\nand another\r\n",
    "a NUL": "before\0after",
    "an emoji": "🙂",
    "a family of emoji": "👩‍👩‍👧‍👦",
    "combining characters": "Z̷̢̛͖͎a̸̡͝l̶̛̲g̵̨̈́o̴͚̓",
    "right to left with marks": "\u202eשלום\u202c \u200fمرحبا\u200f 123",
    "no letters": "?!… — ()",
    "an unassigned character": "\U0003fffd",
    "one long word": "a" * 1_000,
}
