"""A retriever without a model: hashed character trigrams."""

import zlib

import numpy as np

from xqgbench import RetrieverInfo


class HashedNgrams:
    info = RetrieverInfo(name="ngrams", dim=512, similarity="cosine", revision="1", license="CC0-1.0", trained_on=())

    def encode_queries(self, texts):
        vectors = np.zeros((len(texts), self.info.dim), dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            padded = f"  {text.casefold()} "
            for start in range(len(padded) - 2):
                vector[zlib.crc32(padded[start : start + 3].encode()) % self.info.dim] += 1
        return vectors

    def encode_passages(self, passages):
        return self.encode_queries([passage.joined(self.info.title_join) for passage in passages])
