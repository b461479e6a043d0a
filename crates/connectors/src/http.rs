//! HTTP: saves results with one request each, and fetches items by URL.
//!
//! One type, `request`, makes a request of each item and says what the answer means, for fetch and save alike. It is put together
//! from `address`, `head` and `body` (or `bulk`, of many records), which take fields of the item by `item`, `text` and `json`; `credentials` holds the headers
//! whose secrets may change; `answer`, `verdict`, `wait` and `redirect` judge what came back.
//!
//! A slot owns one connection (`link`: `single` over `framing`, or `shared`), which the client opens (`client`, `dial`, `stream`).

mod address;
mod allowance;
mod answer;
mod body;
mod broken;
mod bulk;
mod charset;
mod checks;
mod client;
mod credentials;
mod dial;
mod encoding;
mod eyeballs;
mod fetch;
mod follow;
mod framing;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod head;
mod item;
mod json;
mod key;
mod link;
mod preview;
mod proxy;
mod redirect;
mod request;
mod responses;
mod schema;
mod secret;
mod shared;
#[cfg(test)]
mod silent;
mod single;
mod sink;
mod stream;
mod text;
mod url;
mod verdict;
mod wait;

pub use body::BodySource;
pub use checks::AnswerChecks;
pub use fetch::{FetchConnection, FetchSettings, HttpFetch};
pub use item::Fields;
pub use schema::AnswerSchema;
pub use sink::{HttpConnection, HttpSink};
pub use verdict::StatusChanges;
