//! Accepts connections and serves HTTP/1.1 and HTTP/2 (with prior knowledge) on them.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::spawn_local;

use crate::routes;
use crate::service::Service;

/// Connections that may wait to be accepted. A thousand may be opened at once to show what overload is; one that does
/// not fit tries again only after a second, which would look like a slow service.
const BACKLOG: u32 = 4096;

/// The pause after a connection could not be accepted, which is when descriptors have run out: some must be closed first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Opens the socket; refuses any address that other machines could reach.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    if !address.ip().is_loopback() {
        let text = format!(
            "refused to listen on {address}: the lab serves loopback only, such as 127.0.0.1:{}",
            address.port()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Who starts a lab anew on the same port shall not wait for the last one's connections to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until it is dropped. The connections are tasks of the runtime and end with it; their number is bounded by the
/// process's descriptors.
pub(crate) async fn serve(listener: TcpListener, service: Rc<Service>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                spawn_local(connection(stream, Rc::clone(&service)));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, service: Rc<Service>) {
    // Without it small answers could wait for an acknowledgement; when it cannot be set, the client has gone.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let answer = service_fn(move |request| routes::answer(Rc::clone(&service), request));
    // An HTTP/2 connection takes hyper's 200 streams at once, about what services allow: more need another connection.
    let builder = auto::Builder::new(LocalExecutor);
    // An error here is a client that went away or a cut that was asked for: neither is anybody else's business.
    let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
}

/// Runs the streams of an HTTP/2 connection on the lab's own thread.
#[derive(Debug, Clone, Copy)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, stream: F) {
        spawn_local(stream);
    }
}
