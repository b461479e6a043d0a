//! fetch, compute, save.
