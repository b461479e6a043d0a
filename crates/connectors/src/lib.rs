//! Everything that knows a service.
