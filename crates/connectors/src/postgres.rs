//! Postgres: saves results as rows of a table, and reads items from a query.
//!
//! `address` takes apart what was typed, `link` opens connections (`tls` where the way is not private), `verdict` judges
//! what the server says. A sink (`sink`) looks at its table once for each connection (`shape`), which makes rows of records (`rows`, `array`) and
//! saves them with the account of it (`ledger`) in one transaction (`connection`), by way of a temporary table where COPY is not
//! enough (`staging`), and without a session where a `pooler` keeps none. A source reads `pages` in the order of a
//! key, or else a `stream` in one transaction, and makes items of the rows (`source`), after a look at its `columns`.

mod address;
mod array;
mod catalog;
mod columns;
mod connection;
mod existing;
mod lag;
mod ledger;
mod link;
mod name;
mod pages;
mod pooler;
mod preview;
mod rows;
mod shape;
mod sink;
mod source;
mod staging;
mod stream;
mod tls;
mod verdict;

pub(crate) use lag::Lag;
pub(crate) use source::{Rows, Selection};

pub use connection::PostgresConnection;
pub use sink::PostgresSink;

/// The schemes of an address.
pub(crate) const SCHEMES: [&str; 2] = ["postgres:", "postgresql:"];
