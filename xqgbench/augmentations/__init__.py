"""Built-in augmentations. Another one is a class with ``parse`` and the methods of ``types.Augmentation``."""
