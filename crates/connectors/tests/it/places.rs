//! A place to save in for each sink there is, and the means to look what is there: what the tests of all sinks share.

use std::any::Any;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;

use inflight::{Command, Job, Journal, Observer, OpenedJournal, Options, Stop, Summary};
use inflight_connectors::{Input, Ledger, Payload, Resume, Sink, SinkSettings};
use inflight_lab::{Config, Lab};
use inflight_testbed::Postgres;

/// The result that no place takes; what it is made of is for each to say.
pub(crate) const BAD: &[u8] = b"bad";

/// Somewhere to save.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) address: String,
    pub(crate) settings: SinkSettings,
    /// A result that is refused there.
    pub(crate) bad: &'static [u8],
    /// What is saved there: item and result, in order.
    pub(crate) saved: Box<dyn Fn() -> Vec<(u64, String)>>,
    /// The port of its server, where it has one.
    pub(crate) port: Option<u16>,
    /// Lives as long as the place does.
    _alive: Box<dyn Any>,
}

/// One of each sink, all empty.
pub(crate) fn all() -> Vec<Place> {
    vec![file(), sqlite(), http(), postgres()]
}

pub(crate) fn file() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    Place {
        name: "file",
        address: format!("file:{}", path.display()),
        settings: SinkSettings::default(),
        bad: b"\xff",
        saved: Box::new(move || {
            let lines = std::fs::read_to_string(&path).unwrap_or_default();
            sorted(lines.lines().map(row))
        }),
        port: None,
        _alive: Box::new(folder),
    }
}

pub(crate) fn sqlite() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.db");
    let open = move || rusqlite::Connection::open(&path).unwrap();
    open()
        .execute_batch(
            "CREATE TABLE t(\"index\" INTEGER PRIMARY KEY, result TEXT CHECK (result <> 'bad'))",
        )
        .unwrap();
    Place {
        name: "sqlite",
        address: format!("sqlite:{}?table=t", folder.path().join("out.db").display()),
        settings: SinkSettings::default(),
        bad: BAD,
        saved: Box::new(move || {
            let database = open();
            let mut select = database.prepare("SELECT \"index\", result FROM t").unwrap();
            let rows = select.query_map((), |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
            let rows = rows.unwrap().map(Result::unwrap);
            sorted(rows.map(|(index, result)| (index.cast_unsigned(), result)))
        }),
        port: None,
        _alive: Box::new(folder),
    }
}

/// A service that knows keys.
pub(crate) fn http() -> Place {
    let mut config = Config::default();
    config.set("idempotent", "").unwrap();
    let lab = Lab::start(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = lab.address();
    Place {
        name: "http",
        address: format!("http://{address}/add"),
        settings: SinkSettings {
            body: Some(inflight_connectors::BodySource::read("json").unwrap()),
            idempotent: true,
            job: 7,
            ..SinkSettings::default()
        },
        bad: b"\xff",
        saved: Box::new(move || {
            let lines = get(address, "/results");
            let text = |line: &str| serde_json::from_str::<String>(line).unwrap();
            sorted(lines.lines().map(|line| row(&text(line))))
        }),
        port: Some(address.port()),
        _alive: Box::new(lab),
    }
}

pub(crate) fn postgres() -> Place {
    let server = Postgres::shared();
    let database = server.database();
    let table = "CREATE TABLE t(\"index\" bigint PRIMARY KEY, result text CHECK (result <> 'bad'))";
    server.query(&database, table);
    Place {
        name: "postgres",
        address: format!("{}?table=t", server.url(&database)),
        settings: SinkSettings::default(),
        bad: BAD,
        saved: Box::new(move || {
            let rows = server.query(&database, "SELECT \"index\", result FROM t");
            let row = |line: &str| {
                let (index, result) = line.split_once('|').unwrap();
                (index.parse().unwrap(), result.to_owned())
            };
            sorted(rows.lines().map(row))
        }),
        port: Some(server.port()),
        _alive: Box::new(()),
    }
}

/// A job that has looked at its place and is about to run.
pub(crate) struct Begun {
    sink: Sink,
    journal: Journal,
    refused: &'static [u8],
}

/// Goes on with the job of this folder, which saves something for each number up to `items`, nothing good for the bad ones.
pub(crate) fn run(
    place: &Place,
    folder: &Path,
    items: u64,
    bad: &'static [u64],
    options: &Options,
    watch: impl Observer,
    stop: &Stop,
) -> Summary {
    begin(place, folder, options).run(items, bad, options, watch, stop, |_| ())
}

/// Opens journal and sink, as the command line does.
pub(crate) fn begin(place: &Place, folder: &Path, options: &Options) -> Begun {
    let mut opened = OpenedJournal::open(&folder.join("journal")).unwrap();
    let settings = SinkSettings {
        resume: Resume::of(&opened),
        ledger: Some(Ledger {
            job: "night".into(),
            epoch: opened.epoch_next(),
            is_known: true,
        }),
        inline: options.strategy.is_one_thread(),
        ..place.settings.clone()
    };
    let sink = Sink::parse(&place.address, &settings).unwrap();
    sink.check().unwrap();
    if let Some(saved) = sink.ledger().unwrap() {
        opened.believe(&saved).unwrap();
    }
    Begun {
        sink,
        journal: opened.start(&[], Command::default()).unwrap(),
        refused: place.bad,
    }
}

impl Begun {
    /// Calls `pace` for each number that is computed.
    pub(crate) fn run(
        self,
        items: u64,
        bad: &'static [u64],
        options: &Options,
        watch: impl Observer,
        stop: &Stop,
        pace: impl Fn(u64) + Clone + Send + Sync + 'static,
    ) -> Summary {
        let refused = self.refused;
        let input = Input::parse(&format!("0..{items}"), None, None).unwrap();
        let compute = move |item: Payload| {
            let number: u64 = std::str::from_utf8(item.bytes()).unwrap().parse().unwrap();
            pace(number);
            match bad.contains(&number) {
                true => item.becomes(refused),
                false => item.becomes(result(number)),
            }
        };
        Job::new(input.open().unwrap())
            .compute(compute)
            .result_bytes(Payload::heap_bytes)
            .save_to(self.sink)
            .recorded_in(self.journal)
            .observed_by(watch)
            .stopped_by(stop)
            .run(options)
            .unwrap()
    }
}

/// What becomes of an item: nothing that another could become.
pub(crate) fn result(number: u64) -> String {
    format!("{number}:{}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// All items up to this one, saved, but for those that are bad.
pub(crate) fn expected(items: u64, bad: &[u64]) -> Vec<(u64, String)> {
    let good = (0..items).filter(|number| !bad.contains(number));
    good.map(|number| (number, result(number))).collect()
}

fn row(line: &str) -> (u64, String) {
    let row: serde_json::Value = serde_json::from_str(line).unwrap();
    (
        row["index"].as_u64().unwrap(),
        row["result"].as_str().unwrap().to_owned(),
    )
}

fn sorted(rows: impl Iterator<Item = (u64, String)>) -> Vec<(u64, String)> {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable();
    rows
}

/// The body of the answer to a GET; without chunks, as HTTP/1.0 has it.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nhost: lab\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.to_owned()
}
