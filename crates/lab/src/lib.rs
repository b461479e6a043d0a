//! The model service: behaves as well or as badly as it is told to.
