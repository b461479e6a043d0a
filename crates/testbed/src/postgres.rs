//! A Postgres server of one's own: Debian's package as a child process, on a free port, with data that goes away.
//!
//! A shell stands between us and the server and waits for the end of its standard input. So the server ends, and its
//! data is removed, however we end: by a panic, by `kill -9`, by a Ctrl-C that only we got.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to be there: far longer than it does, on a machine that does other things too.
const START_MAX: Duration = Duration::from_secs(60);

/// Ports that are tried: between asking for a free one and using it, another may take it.
const PORTS_MAX: usize = 5;

/// Starts the server for each port on standard input, and ends it and its data with that.
const KEEPER: &str = "\
while read -r port; do \"$@\" -p \"$port\" >>\"$0/log\" 2>&1 & server=$!; echo $server >\"$0/pid\"; done
kill -QUIT $server 2>/dev/null
wait
rm -rf \"$0\"";

/// What differs from a plain server, which trusts whoever comes and does not wait for the disk.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Settings as in `postgresql.conf`, `name=value`; they win over those of a plain server.
    pub settings: Vec<String>,
    /// The password of the user `postgres`, without which nobody is let in over TCP. Default: everybody is.
    pub password: Option<String>,
    /// A certificate and its key, both PEM, with which the server offers TLS. Default: it does not.
    pub certificate: Option<(String, String)>,
    /// The port of the server of which this is a replica. Default: of none.
    pub replica_of: Option<u16>,
}

/// A running server; stopped when it is dropped.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    /// Holds the data; the keeper removes it too.
    folder: TempDir,
    setup: Setup,
    keeper: Child,
    /// `None` only while it is dropped, which tells the keeper.
    orders: Option<ChildStdin>,
}

impl Postgres {
    /// A plain server of one's own.
    ///
    /// # Panics
    /// When there is no Postgres on this machine, or it does not start; says what to install.
    pub fn start() -> Postgres {
        Postgres::start_with(Setup::default())
    }

    /// A server like this.
    ///
    /// # Panics
    /// As [`Postgres::start`].
    pub fn start_with(setup: Setup) -> Postgres {
        let folder = tempfile::Builder::new()
            .prefix("inflight-postgres-")
            .tempdir()
            .expect("a temporary folder can be made");
        let owner = owner();
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group))
                .expect("root may give a folder away");
        }
        init(folder.path(), &setup, owner);
        let mut keeper = keeper(folder.path(), owner);
        let orders = keeper.stdin.take();
        let mut server = Postgres {
            port: 0,
            folder,
            setup,
            keeper,
            orders,
        };
        let came = (0..PORTS_MAX).any(|_| {
            server.port = free_port();
            server.begin()
        });
        assert!(came, "no Postgres:\n{}", server.log());
        server
    }

    /// The server that all tests of a process share; each makes databases of its own in it. It ends with the process.
    ///
    /// # Panics
    /// As [`Postgres::start`].
    pub fn shared() -> &'static Postgres {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Postgres::start)
    }

    /// A new database, by its name.
    ///
    /// # Panics
    /// When the server does not make it.
    pub fn database(&self) -> String {
        static MADE: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
        self.query("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// Where it listens, on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a database, as the user `postgres`; parameters may follow.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// What `psql` answers to these statements: a line for each row, columns parted by `|`.
    ///
    /// # Panics
    /// When a statement fails; says how.
    pub fn query(&self, database: &str, sql: &str) -> String {
        let output = self.psql(database, sql);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {said}");
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// `psql` with these statements, whatever comes of it.
    ///
    /// # Panics
    /// When there is no `psql` on this machine.
    pub fn psql(&self, database: &str, sql: &str) -> Output {
        self.psql_command(database)
            .args(["-c", sql])
            .output()
            .expect("psql can be started")
    }

    /// `psql` in this database, to be given something to do.
    pub fn psql_command(&self, database: &str) -> Command {
        let mut command = Command::new("psql");
        command
            .args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1"])
            .args(["-h", "127.0.0.1", "-U", "postgres"])
            .args(["-p", &self.port.to_string(), "-d", database])
            .env("PGPASSWORD", self.setup.password.as_deref().unwrap_or(""))
            .stdin(Stdio::null());
        command
    }

    /// Ends the server as a crash would, with `kill -9`.
    ///
    /// # Panics
    /// When it is not running.
    pub fn kill(&self) {
        let pid = self.pid().expect("the server was started");
        let kill = Command::new("kill").args(["-9", &pid]).status();
        assert!(kill.is_ok_and(|status| status.success()), "kill -9 {pid}");
        assert!(wait_until(|| is_dead(&pid)), "the server outlives kill -9");
    }

    /// Starts it again, on the same port and with the same data.
    ///
    /// # Panics
    /// When it does not come back.
    pub fn restart(&mut self) {
        // Not before all that the old one had started has noticed its end.
        let came = wait_until(|| self.begin());
        assert!(came, "no Postgres any more:\n{}", self.log());
    }

    /// Asks the keeper to start it, and waits until it is there; false when it has ended instead.
    fn begin(&mut self) -> bool {
        // That of an earlier start, if there was one.
        let _ = fs::remove_file(self.folder.path().join("pid"));
        let orders = self.orders.as_mut().expect("taken only on drop");
        writeln!(orders, "{}", self.port).expect("the keeper listens");
        let mut came = false;
        wait_until(|| {
            let Some(pid) = self.pid() else {
                return false;
            };
            came = self.is_ready(&pid);
            came || is_dead(&pid)
        });
        came
    }

    /// What Postgres itself says of the server with this number.
    fn is_ready(&self, pid: &str) -> bool {
        let file = fs::read_to_string(data(self.folder.path()).join("postmaster.pid"));
        let file = file.unwrap_or_default();
        let mut lines = file.lines();
        let is_ready = |status: &str| ["ready", "standby"].contains(&status.trim());
        lines.next() == Some(pid) && lines.nth(6).is_some_and(is_ready)
    }

    /// The process that was started last.
    fn pid(&self) -> Option<String> {
        let pid = fs::read_to_string(self.folder.path().join("pid")).ok()?;
        Some(pid.strip_suffix('\n')?.to_owned())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.orders = None;
        // It ends when its standard input does, and takes the server with it.
        let _ = self.keeper.wait();
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Makes the data of a server that is as it should be from the start.
fn init(folder: &Path, setup: &Setup, owner: Option<(u32, u32)>) {
    match setup.replica_of {
        None => make(
            "initdb",
            "--username=postgres --encoding=UTF8 --locale=C --auth=trust --no-sync --no-instructions",
            folder,
            owner,
        ),
        Some(port) => make(
            "pg_basebackup",
            &format!("-h 127.0.0.1 -p {port} -U postgres --checkpoint=fast --no-sync"),
            folder,
            owner,
        ),
    }
    let write = |name: &str, text: &str| {
        let path = data(folder).join(name);
        fs::write(&path, text).expect("the folder is ours");
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(&path, Some(user), Some(group))
                .expect("root may give a file away");
        }
        path
    };
    let mut settings = vec![
        // Nobody else is to reach it, and what it holds need not outlive it.
        "listen_addresses = '127.0.0.1'".to_owned(),
        format!("unix_socket_directories = '{}'", folder.display()),
        "fsync = off".to_owned(),
        "max_connections = 200".to_owned(),
        "logging_collector = off".to_owned(),
    ];
    if let Some((certificate, key)) = &setup.certificate {
        write("server.crt", certificate);
        let key = write("server.key", key);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(key, mode).expect("the file is ours");
        settings.push("ssl = on".to_owned());
    }
    if let Some(port) = setup.replica_of {
        write("standby.signal", "");
        let primary = format!("host=127.0.0.1 port={port} user=postgres");
        settings.push(format!("primary_conninfo = '{primary}'"));
    }
    settings.extend(setup.settings.iter().cloned());
    write("postgresql.auto.conf", &(settings.join("\n") + "\n"));
    if let Some(password) = &setup.password {
        assert!(!password.contains('\''), "no quotes in passwords of tests");
        set_password(folder, password, owner);
        write(
            "pg_hba.conf",
            "local all all trust\nhost all all all scram-sha-256\n",
        );
    }
}

/// Has a program of Postgres make the data.
fn make(name: &str, arguments: &str, folder: &Path, owner: Option<(u32, u32)>) {
    let mut command = as_owner(&program(name), owner);
    command
        .args(arguments.split(' '))
        .arg("-D")
        .arg(data(folder));
    let output = command.output().expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
}

/// Gives the user a password before the server is there for anybody.
fn set_password(folder: &Path, password: &str, owner: Option<(u32, u32)>) {
    let mut single = as_owner(&program("postgres"), owner);
    single
        .args(["--single", "-D"])
        .arg(data(folder))
        .arg("postgres")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut single = single.spawn().expect("postgres can be started");
    let mut stdin = single.stdin.take().expect("it is a pipe");
    writeln!(stdin, "ALTER USER postgres PASSWORD '{password}'").expect("it listens");
    drop(stdin);
    let status = single.wait().expect("it was started");
    assert!(status.success(), "the password could not be set");
}

fn keeper(folder: &Path, owner: Option<(u32, u32)>) -> Child {
    let mut keeper = as_owner(Path::new("/bin/sh"), owner);
    keeper
        .args(["-c", KEEPER])
        .arg(folder)
        .arg(program("postgres"))
        .arg("-D")
        .arg(data(folder))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C in the terminal is for us; the keeper sees that we are gone.
        .process_group(0)
        .spawn()
        .expect("a shell can be started")
}

/// Whom a server runs as when we are root, which it refuses to be: the user that Debian's package makes, or nobody.
pub(crate) fn owner() -> Option<(u32, u32)> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() != b"0" {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("a system has users");
    let find = |name: &str| {
        let line = users
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let mut parts = line.split(':').skip(1);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    Some(
        find("postgres")
            .or_else(|| find("nobody"))
            .expect("there is a nobody"),
    )
}

pub(crate) fn as_owner(program: &Path, owner: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env("LC_ALL", "C");
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command
}

/// A program of the server: the newest that Debian has installed, or what is on the path.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max();
    let debian =
        newest.map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin/{name}")));
    let on_path = || {
        let folders = std::env::var_os("PATH")?;
        std::env::split_paths(&folders)
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())
    };
    debian
        .filter(|path| path.is_file())
        .or_else(on_path)
        .unwrap_or_else(|| panic!("no {name}: install the Debian package postgresql, or run `cargo xtask test` as root"))
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Whether a process has ended; its number may still wait for the keeper to ask what it came to.
fn is_dead(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat"));
    status.map_or(true, |status| {
        let state = status.rsplit(") ").next().unwrap_or_default();
        state.starts_with('Z')
    })
}

/// Asks until it is so; says whether it came about.
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < START_MAX {
        if is_so() {
            return true;
        }
        sleep(Duration::from_millis(10));
    }
    false
}
