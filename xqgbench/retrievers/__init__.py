"""Built-in retrievers: the only modules that load models. ``models.toml`` holds their cards."""
