//! For tests: an address that swallows whoever connects, as a host does that is gone behind a firewall.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

/// Such an address, as long as this lives.
pub(super) struct Silent {
    pub(super) address: SocketAddr,
    _listener: TcpListener,
    /// They fill the queue of those who wait to be accepted.
    _waiting: Vec<TcpStream>,
}

impl Silent {
    /// A free port of this loopback address.
    pub(super) async fn at(loopback: &str) -> Silent {
        let place: SocketAddr = format!("{loopback}:0").parse().unwrap();
        let socket = match place {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.unwrap();
        socket.bind(place).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) =
            timeout(Duration::from_millis(200), TcpStream::connect(address)).await
        {
            waiting.push(stream.unwrap());
        }
        Silent {
            address,
            _listener: listener,
            _waiting: waiting,
        }
    }
}
