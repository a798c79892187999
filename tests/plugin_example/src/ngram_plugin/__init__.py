"""An xqgbench plugin: a retriever and a task."""
