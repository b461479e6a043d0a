//! Connects to whichever of several addresses answers first (RFC 8305), so that one that leads nowhere costs a quarter of a
//! second and not a deadline.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How long an address is waited for before the next is tried beside it; what the standard recommends.
const HEAD_START: Duration = Duration::from_millis(250);

/// Addresses of a name that are tried; names with more are those of services that answer at any.
const ADDRESSES_MAX: usize = 16;

/// The order in which to try them: as the system has them, but the families in turn.
pub(super) fn in_turn(found: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut first = Vec::new();
    let mut second: Vec<SocketAddr> = Vec::new();
    for address in found {
        match first.first() {
            Some(SocketAddr::V4(_)) if address.is_ipv6() => second.push(address),
            Some(SocketAddr::V6(_)) if address.is_ipv4() => second.push(address),
            _ => first.push(address),
        }
    }
    let mut second = second.into_iter();
    let mut all = Vec::new();
    for address in first {
        all.push(address);
        all.extend(second.next());
    }
    all.extend(second);
    all.truncate(ADDRESSES_MAX);
    all
}

/// A connection to the first that answers; each is tried when the one before it has failed, or had its head start.
///
/// Fails as the last of them did, or at once if this process may open no more files.
pub(super) async fn connect(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut left = addresses.peekable();
    let mut trying = FuturesUnordered::new();
    loop {
        trying.extend(left.next().map(TcpStream::connect));
        let next = async {
            match left.peek() {
                Some(_) => sleep(HEAD_START).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            tried = trying.next() => match tried {
                Some(Ok(tcp)) => return Ok(tcp),
                Some(Err(cause)) => {
                    let is_last = trying.is_empty() && left.peek().is_none();
                    if is_last || is_out_of_files(&cause) {
                        return Err(cause);
                    }
                }
                None => return Err(io::ErrorKind::NotFound.into()),
            },
            () = next => {}
        }
    }
}

/// Whether no more can be opened here: neither the address nor the service is to blame.
pub(super) fn is_out_of_files(cause: &io::Error) -> bool {
    // EMFILE and ENFILE, on every system that has them.
    matches!(cause.raw_os_error(), Some(23 | 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use crate::http::silent::Silent;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_families_take_turns() {
        let check = |found: &[&str], expected: &[&str]| {
            assert_eq!(in_turn(addresses(found)), addresses(expected));
        };
        check(&[], &[]);
        check(&["1.1.1.1:1"], &["1.1.1.1:1"]);
        check(
            &["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"],
            &["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"],
        );
        check(
            &["1.1.1.1:1", "[::1]:1", "[::2]:1"],
            &["1.1.1.1:1", "[::1]:1", "[::2]:1"],
        );
        assert_eq!(in_turn(vec![addresses(&["1.1.1.1:1"])[0]; 40]).len(), 16);
    }

    #[tokio::test]
    async fn the_first_that_answers_is_taken() {
        let (old, new) = (Silent::at("127.0.0.1").await, Silent::at("[::1]").await);
        let (silent, dead) = (old.address, new.address);
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refusing = closed.local_addr().unwrap();
        drop(closed);
        let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = service.local_addr().unwrap();
        for (order, soon) in [
            (vec![good, silent], true),
            (vec![refusing, refusing, good], true),
            (vec![silent, good], false),
            (vec![silent, refusing, good], false),
            (vec![silent, silent, good], false),
            // A name whose first address is of an IPv6 that leads nowhere.
            (vec![dead, good], false),
        ] {
            let begun = Instant::now();
            let tcp = connect(order.clone().into_iter()).await.unwrap();
            assert_eq!(tcp.peer_addr().unwrap(), good, "{order:?}");
            let has_waited = begun.elapsed() >= HEAD_START;
            assert_eq!(has_waited, !soon, "{order:?}");
        }
        let cause = connect([refusing].into_iter()).await.unwrap_err();
        assert_eq!(cause.kind(), io::ErrorKind::ConnectionRefused);
        connect(std::iter::empty()).await.unwrap_err();
        assert!(is_out_of_files(&io::Error::from_raw_os_error(24)));
    }
}
