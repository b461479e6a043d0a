//! What fetches: a service over HTTP, or code of the program around us.

use inflight::{Connection, Declared, Fault, Record, Reply, Service, Usage};
use inflight_connectors::{Called, FetchConnection, HttpFetch, Payload, RequestPreview};

/// What fetches.
pub(crate) enum Fetch {
    Http(HttpFetch),
    Called(Called),
}

impl Fetch {
    /// The request that would be sent for this item; `None` where none is.
    ///
    /// # Errors
    /// Why none can be made of the item.
    pub(crate) fn preview(&self, item: &Record<Payload>) -> Result<Option<RequestPreview>, Fault> {
        match self {
            Fetch::Http(fetch) => fetch.preview(item).map(Some),
            Fetch::Called(_) => Ok(None),
        }
    }
}

impl Service<Payload> for Fetch {
    type Answer = Payload;
    type Connection = Fetching;

    async fn connect(&self) -> Result<Fetching, Fault> {
        match self {
            Fetch::Http(fetch) => fetch.connect().await.map(Fetching::Http),
            Fetch::Called(called) => called.connect().await.map(Fetching::Called),
        }
    }

    fn connections_max(&self) -> usize {
        match self {
            Fetch::Http(fetch) => fetch.connections_max(),
            Fetch::Called(called) => called.connections_max(),
        }
    }

    fn declared(&self) -> Declared {
        match self {
            Fetch::Http(fetch) => fetch.declared(),
            Fetch::Called(called) => called.declared(),
        }
    }
}

/// One connection of a [`Fetch`].
pub(crate) enum Fetching {
    Http(FetchConnection),
    Called(Called),
}

impl Connection<Payload> for Fetching {
    type Answer = Payload;

    async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<Payload>, Fault> {
        match self {
            Fetching::Http(connection) => connection.send(bulk).await,
            Fetching::Called(called) => called.send(bulk).await,
        }
    }

    fn is_open(&mut self) -> bool {
        match self {
            Fetching::Http(connection) => connection.is_open(),
            Fetching::Called(_) => true,
        }
    }

    fn usage(&self) -> Usage {
        match self {
            Fetching::Http(connection) => connection.usage(),
            Fetching::Called(_) => Usage::default(),
        }
    }
}
