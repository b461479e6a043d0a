//! HTTP: saves results with one request each, and fetches items by URL.
//!
//! A slot owns one connection (`link`: `single` over `framing`, or `shared`), which the client opens (`client`, `dial`, `stream`). A sink
//! and a fetch build requests (`head`, `key`, `body`, `template`) and judge what came back (`answer`, `verdict`, `wait`).

mod answer;
mod body;
mod broken;
mod charset;
mod client;
mod dial;
mod encoding;
mod eyeballs;
mod fetch;
mod framing;
mod head;
mod key;
mod link;
mod proxy;
mod responses;
mod secret;
mod shared;
mod single;
mod sink;
mod stream;
mod template;
mod url;
mod verdict;
mod wait;

pub use fetch::{FetchConnection, FetchSettings, HttpFetch};
pub use sink::{HttpConnection, HttpSink};
pub use verdict::StatusChanges;
