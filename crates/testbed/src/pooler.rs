//! PgBouncer in front of a server: each transaction of a client may get another process of the server.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::postgres::{Postgres, as_owner, free_port, owner, wait_until};

/// A running pooler, which pools transactions; stopped when it is dropped.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    child: Child,
    /// Holds its settings and its log.
    _folder: TempDir,
}

impl Pooler {
    /// A pooler with at most so many connections to a database of this server.
    ///
    /// # Panics
    /// When there is no PgBouncer on this machine, or it does not start; says what to install.
    pub fn start(server: &Postgres, connections: usize) -> Pooler {
        let folder = tempfile::Builder::new()
            .prefix("inflight-pgbouncer-")
            .tempdir()
            .expect("a temporary folder can be made");
        let owner = owner();
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group))
                .expect("root may give a folder away");
        }
        let (settings, log) = (folder.path().join("ini"), folder.path().join("log"));
        let port = free_port();
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\nlogfile = {}\n\
             default_pool_size = {connections}\nmax_client_conn = 200\n",
            server.port(),
            log.display()
        );
        fs::write(&settings, text).expect("the folder is ours");
        let child = as_owner(&program(), owner)
            .arg("-q")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer can be started");
        let pooler = Pooler {
            port,
            child,
            _folder: folder,
        };
        let came = wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(
            came,
            "no pgbouncer:\n{}",
            fs::read_to_string(log).unwrap_or_default()
        );
        pooler
    }

    /// The address of a database behind it, as the user `postgres`; parameters may follow.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> PathBuf {
    ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]
        .iter()
        .map(Path::new)
        .find(|path| path.is_file())
        .map(Path::to_owned)
        .unwrap_or_else(|| {
            panic!("no pgbouncer: install the Debian package pgbouncer, or run `cargo xtask test` as root")
        })
}
