//! Hands out connections to one origin: one each over HTTP/1.1, shared ones over HTTP/2.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use inflight::Fault;
use tokio::sync::Semaphore;

use super::dial::{Dialer, http_connector};
use super::link::Link;
use super::proxy::Proxy;
use super::shared::{Handle, Shared};
use super::single::Single;
use super::url::Origin;

/// Connections to one origin.
pub(super) struct Client {
    dialer: Dialer,
    /// Whether the service was found to speak HTTP/1.1 only, so that connections need not wait in turn.
    is_single: AtomicBool,
    /// Held while a connection is opened that may turn out to be shared: one at a time, or a hundred slots
    /// would open a hundred connections to learn that one is enough.
    turn: Semaphore,
    /// The HTTP/2 connections that somebody uses.
    shared: Mutex<Vec<Weak<Shared>>>,
}

impl Client {
    /// A client of this origin. `ca_file` and `proxy` are as in [`SinkSettings`](crate::SinkSettings).
    ///
    /// Fails with a sentence that names the file, flag or variable at fault.
    pub(super) fn to(
        origin: &Origin,
        ca_file: Option<&Path>,
        proxy: Option<&str>,
    ) -> Result<Client, String> {
        let tls = if origin.is_https {
            Some(http_connector(ca_file)?)
        } else {
            None
        };
        let proxy = Proxy::to(origin, proxy, |name| std::env::var(name).ok())?;
        Ok(Client::new(Dialer::new(origin.clone(), tls, proxy)?))
    }

    fn new(dialer: Dialer) -> Client {
        Client {
            is_single: AtomicBool::new(!dialer.origin().is_https),
            dialer,
            turn: Semaphore::new(1),
            shared: Mutex::default(),
        }
    }

    pub(super) fn origin(&self) -> &Origin {
        self.dialer.origin()
    }

    /// Opens a connection, or a share in one. Every failure is "unreached".
    pub(super) async fn connect(&self) -> Result<Link, Fault> {
        let single = |stream| {
            Link::Single(Single::Idle {
                stream,
                was_used: false,
            })
        };
        if self.is_single.load(Ordering::Relaxed) {
            return self.dialer.dial().await.map(single);
        }
        let turn = self.turn.acquire().await.expect("nobody closes it");
        if let Some(link) = self.share() {
            return Ok(link);
        }
        if self.is_single.load(Ordering::Relaxed) {
            drop(turn);
            return self.dialer.dial().await.map(single);
        }
        let stream = self.dialer.dial().await?;
        if stream.is_http2() {
            let shared = Arc::new(Shared::open(stream).await?);
            let handle = Handle::to(&shared);
            self.lock().push(Arc::downgrade(&shared));
            return Ok(Link::Shared(handle));
        }
        self.is_single.store(true, Ordering::Relaxed);
        Ok(single(stream))
    }

    /// A share in a connection that has room and is no suspect.
    fn share(&self) -> Option<Link> {
        let mut all = self.lock();
        all.retain(|shared| shared.upgrade().is_some_and(|shared| !shared.is_closed()));
        let room = all
            .iter()
            .filter_map(|shared| Some((shared.strong_count(), shared.upgrade()?)))
            .find(|(handles, shared)| shared.is_open() && *handles < shared.streams_max())?
            .1;
        Some(Link::Shared(Handle::to(&room)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Shared>>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
