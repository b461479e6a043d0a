//! What tests and benches run against: a Postgres server of their own, a pooler before it, and a network that fails when told.
//!
//! A crate of its own because the tests of two packages and the benches need the same. Nothing that is shipped may use
//! it. A test that cannot go on panics and says where, and so does everything here.

mod pooler;
mod postgres;
mod proxy;

pub use pooler::Pooler;
pub use postgres::{Postgres, Setup};
pub use proxy::{Network, Proxy};
