//! Where results are saved, as typed: a closed list of services behind one type.

use std::fmt;
use std::ops::Range;

use inflight::{Connection, Declared, Durable, Fault, Record, Reply, Service, Usage};

use crate::address::{Address, Scheme};
use crate::called::Called;
use crate::error::Error;
#[cfg(feature = "file")]
use crate::file::{FileConnection, FileSink};
#[cfg(feature = "http")]
use crate::http::{HttpConnection, HttpSink};
use crate::kind::Kind;
use crate::null::NullSink;
use crate::payload::Payload;
#[cfg(feature = "postgres")]
use crate::postgres::{PostgresConnection, PostgresSink};
use crate::preview::Preview;
use crate::settings::SinkSettings;
#[cfg(feature = "sqlite")]
use crate::sqlite::{SqliteConnection, SqliteSink};

/// Where results are saved. Printed without secrets.
pub enum Sink {
    /// `[METHOD ]http://…` or `https://…`: a request for each result.
    #[cfg(feature = "http")]
    Http(HttpSink),
    /// `sqlite:FILE?table=T`: a row for each result.
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteSink),
    /// `postgres://…?table=T`: a row for each result.
    #[cfg(feature = "postgres")]
    Postgres(PostgresSink),
    /// `file:OUT.jsonl`: a line for each result.
    #[cfg(feature = "file")]
    File(FileSink),
    /// `null:`: nowhere.
    Null(NullSink),
    /// Code of the program around us.
    Called(Called),
}

impl Sink {
    /// Reads an address, `SCHEME:…`. Nothing is opened yet.
    ///
    /// # Errors
    /// A sentence that names what is wrong, and the nearest known scheme where there is none of this name.
    pub fn parse(text: &str, settings: &SinkSettings) -> Result<Sink, Error> {
        Sink::at(&Address::parse(text, settings.more_schemes)?, settings)
    }

    /// A sink at an address. Nothing is opened yet.
    ///
    /// # Errors
    /// A sentence that names what is wrong with the rest of the address, or with a setting.
    pub fn at(address: &Address, settings: &SinkSettings) -> Result<Sink, Error> {
        let text = address.text();
        match address.scheme() {
            #[cfg(feature = "http")]
            Scheme::Http => HttpSink::new(text, settings).map(Sink::Http),
            #[cfg(feature = "sqlite")]
            Scheme::Sqlite => SqliteSink::new(text, settings).map(Sink::Sqlite),
            #[cfg(feature = "postgres")]
            Scheme::Postgres => PostgresSink::new(text, settings).map(Sink::Postgres),
            #[cfg(feature = "file")]
            Scheme::File => FileSink::new(text, settings).map(Sink::File),
            Scheme::Null => {
                // Nothing is said of how to keep nothing.
                let _ = settings;
                Ok(Sink::Null(NullSink))
            }
            Scheme::Served => Err(format!(
                "{text} is served by whoever asks, who has to say where it listens"
            )
            .into()),
            Scheme::Called => Err(format!("{text} is no place to save").into()),
        }
    }

    /// What would be saved of this result: a request, or a row.
    ///
    /// # Errors
    /// Permanent, when it cannot be saved there.
    pub fn preview(&self, record: &Record<Payload>) -> Result<Preview, Fault> {
        match self {
            #[cfg(feature = "http")]
            Sink::Http(sink) => sink.preview(record).map(Preview::Request),
            #[cfg(feature = "sqlite")]
            Sink::Sqlite(sink) => sink.preview(record).map(Preview::Row),
            #[cfg(feature = "postgres")]
            Sink::Postgres(sink) => sink.preview(record).map(Preview::Row),
            #[cfg(feature = "file")]
            Sink::File(sink) => sink.preview(record).map(Preview::Row),
            Sink::Null(_) | Sink::Called(_) => {
                let _ = record;
                Ok(Preview::Nothing)
            }
        }
    }

    /// Whether results can be saved there, as far as can be told without saving any: files and tables are
    /// looked at, and no request is sent.
    ///
    /// # Errors
    /// A fault that names what is in the way, and the way out; unreached when a server is away, which is nobody's mistake.
    pub fn check(&self) -> Result<(), Fault> {
        match self {
            #[cfg(feature = "http")]
            Sink::Http(sink) => sink
                .check()
                .map_err(|why| Fault::permanent(why.to_string())),
            #[cfg(feature = "sqlite")]
            Sink::Sqlite(sink) => sink.check(),
            #[cfg(feature = "postgres")]
            Sink::Postgres(sink) => sink.check(),
            #[cfg(feature = "file")]
            Sink::File(sink) => sink
                .check()
                .map_err(|why| Fault::permanent(why.to_string())),
            Sink::Null(_) | Sink::Called(_) => Ok(()),
        }
    }

    /// Whether a result could be written now: `false` of a pipe that nobody reads, which may still come.
    ///
    /// # Errors
    /// A fault that names the pipe, when it cannot be opened.
    pub fn has_reader(&self) -> Result<bool, Fault> {
        match self {
            #[cfg(feature = "file")]
            Sink::File(sink) => sink.has_reader(),
            _ => Ok(true),
        }
    }

    /// What is promised of a result after a crash.
    pub fn kind(&self) -> Kind {
        match self {
            #[cfg(feature = "http")]
            Sink::Http(sink) => sink.kind(),
            #[cfg(feature = "sqlite")]
            Sink::Sqlite(sink) => sink.kind(),
            #[cfg(feature = "postgres")]
            Sink::Postgres(sink) => sink.kind(),
            #[cfg(feature = "file")]
            Sink::File(sink) => sink.kind(),
            Sink::Null(_) => Kind::Nothing,
            Sink::Called(_) => Kind::Append,
        }
    }

    /// Takes over the job, in a sink that keeps account of what is saved in the same transactions, and gives what is
    /// saved, as ranges in their order: a journal that says otherwise is wrong. No earlier run of the job can save
    /// anything from then on. `None` of all other sinks.
    ///
    /// # Errors
    /// A fault that names the sink, when its account cannot be read or written; unreached when a server is away.
    pub fn ledger(&self) -> Result<Option<Vec<Range<u64>>>, Fault> {
        match self {
            #[cfg(feature = "sqlite")]
            Sink::Sqlite(sink) => sink.ledger(),
            #[cfg(feature = "postgres")]
            Sink::Postgres(sink) => sink.ledger(),
            _ => Ok(None),
        }
    }

    /// Forgets what such a sink knows to be saved of the job, so that a run does all of it again.
    ///
    /// # Errors
    /// A fault that names the sink, when its account cannot be written; unreached when a server is away.
    pub fn forget(&self) -> Result<(), Fault> {
        match self {
            #[cfg(feature = "sqlite")]
            Sink::Sqlite(sink) => sink.forget(),
            #[cfg(feature = "postgres")]
            Sink::Postgres(sink) => sink.forget(),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "http")]
            Sink::Http(sink) => sink.fmt(f),
            #[cfg(feature = "sqlite")]
            Sink::Sqlite(sink) => sink.fmt(f),
            #[cfg(feature = "postgres")]
            Sink::Postgres(sink) => sink.fmt(f),
            #[cfg(feature = "file")]
            Sink::File(sink) => sink.fmt(f),
            Sink::Null(_) => f.write_str("null:"),
            Sink::Called(_) => f.write_str("a function"),
        }
    }
}

/// What there is to keep of the answer to a save: the line of a file of responses, where there is such a file.
type Answer = Option<Box<[u8]>>;

impl Service<Payload> for Sink {
    type Answer = Answer;
    type Connection = SinkConnection;

    async fn connect(&self) -> Result<SinkConnection, Fault> {
        match self {
            #[cfg(feature = "http")]
            Sink::Http(sink) => sink.connect().await.map(SinkConnection::Http),
            #[cfg(feature = "sqlite")]
            Sink::Sqlite(sink) => sink
                .connect()
                .await
                .map(|c| SinkConnection::Sqlite(Box::new(c))),
            #[cfg(feature = "postgres")]
            Sink::Postgres(sink) => {
                let connection = sink.connect().await?;
                Ok(SinkConnection::Postgres(Box::new(connection)))
            }
            #[cfg(feature = "file")]
            Sink::File(sink) => sink.connect().await.map(SinkConnection::File),
            Sink::Null(sink) => Service::<Payload>::connect(sink)
                .await
                .map(SinkConnection::Null),
            Sink::Called(called) => called.connect().await.map(SinkConnection::Called),
        }
    }

    fn bulk_max(&self) -> usize {
        match self {
            #[cfg(feature = "http")]
            Sink::Http(sink) => sink.bulk_max(),
            #[cfg(feature = "sqlite")]
            Sink::Sqlite(sink) => sink.bulk_max(),
            #[cfg(feature = "postgres")]
            Sink::Postgres(sink) => sink.bulk_max(),
            #[cfg(feature = "file")]
            Sink::File(sink) => sink.bulk_max(),
            Sink::Null(sink) => Service::<Payload>::bulk_max(sink),
            Sink::Called(called) => called.bulk_max(),
        }
    }

    fn connections_max(&self) -> usize {
        match self {
            #[cfg(feature = "http")]
            Sink::Http(sink) => sink.connections_max(),
            #[cfg(feature = "sqlite")]
            Sink::Sqlite(sink) => sink.connections_max(),
            #[cfg(feature = "postgres")]
            Sink::Postgres(sink) => sink.connections_max(),
            #[cfg(feature = "file")]
            Sink::File(sink) => sink.connections_max(),
            Sink::Null(sink) => Service::<Payload>::connections_max(sink),
            Sink::Called(called) => called.connections_max(),
        }
    }

    fn durable(&self) -> Option<Box<dyn Durable>> {
        match self {
            #[cfg(feature = "http")]
            Sink::Http(sink) => sink.durable(),
            #[cfg(feature = "sqlite")]
            Sink::Sqlite(sink) => sink.durable(),
            #[cfg(feature = "postgres")]
            Sink::Postgres(sink) => sink.durable(),
            #[cfg(feature = "file")]
            Sink::File(sink) => sink.durable(),
            Sink::Null(_) | Sink::Called(_) => None,
        }
    }

    fn keep(&self, answers: &[Record<Answer>]) -> Result<Option<u64>, Fault> {
        match self {
            #[cfg(feature = "http")]
            Sink::Http(sink) => sink.keep(answers),
            _ => {
                // No other has anything to say but that it is done.
                let _ = answers;
                Ok(None)
            }
        }
    }

    fn answer_bytes(answer: &Answer) -> usize {
        answer.as_ref().map_or(0, |line| line.len())
    }

    fn declared(&self) -> Declared {
        match self {
            #[cfg(feature = "http")]
            Sink::Http(sink) => sink.declared(),
            #[cfg(feature = "sqlite")]
            Sink::Sqlite(sink) => sink.declared(),
            #[cfg(feature = "postgres")]
            Sink::Postgres(sink) => sink.declared(),
            #[cfg(feature = "file")]
            Sink::File(sink) => sink.declared(),
            Sink::Null(sink) => Service::<Payload>::declared(sink),
            Sink::Called(called) => called.declared(),
        }
    }
}

/// One connection of a [`Sink`].
pub enum SinkConnection {
    /// Of an HTTP sink.
    #[cfg(feature = "http")]
    Http(HttpConnection),
    /// Of a SQLite sink.
    #[cfg(feature = "sqlite")]
    Sqlite(Box<SqliteConnection>),
    /// Of a Postgres sink.
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresConnection>),
    /// Of a file.
    #[cfg(feature = "file")]
    File(FileConnection),
    /// Of nothing.
    Null(NullSink),
    /// Of code of the program around us.
    Called(Called),
}

impl Connection<Payload> for SinkConnection {
    type Answer = Answer;

    async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<Answer>, Fault> {
        match self {
            #[cfg(feature = "http")]
            SinkConnection::Http(connection) => connection.send(bulk).await,
            #[cfg(feature = "sqlite")]
            SinkConnection::Sqlite(connection) => connection.send(bulk).await.map(unanswered),
            #[cfg(feature = "postgres")]
            SinkConnection::Postgres(connection) => {
                // As large as all that a slot of another sink keeps, of which there may be thousands.
                Box::pin(connection.send(bulk)).await.map(unanswered)
            }
            #[cfg(feature = "file")]
            SinkConnection::File(connection) => connection.send(bulk).await.map(unanswered),
            SinkConnection::Null(connection) => connection.send(bulk).await.map(unanswered),
            SinkConnection::Called(called) => called.send(bulk).await.map(unanswered),
        }
    }

    fn is_open(&mut self) -> bool {
        match self {
            #[cfg(feature = "http")]
            SinkConnection::Http(connection) => connection.is_open(),
            #[cfg(feature = "sqlite")]
            SinkConnection::Sqlite(connection) => connection.is_open(),
            #[cfg(feature = "postgres")]
            SinkConnection::Postgres(connection) => connection.is_open(),
            #[cfg(feature = "file")]
            SinkConnection::File(connection) => connection.is_open(),
            SinkConnection::Null(_) | SinkConnection::Called(_) => true,
        }
    }

    fn mark(&self) -> Option<u64> {
        match self {
            // A file of responses is marked when they are kept.
            #[cfg(feature = "http")]
            SinkConnection::Http(_) => None,
            #[cfg(feature = "sqlite")]
            SinkConnection::Sqlite(_) => None,
            #[cfg(feature = "postgres")]
            SinkConnection::Postgres(_) => None,
            #[cfg(feature = "file")]
            SinkConnection::File(connection) => connection.mark(),
            SinkConnection::Null(_) | SinkConnection::Called(_) => None,
        }
    }

    fn usage(&self) -> Usage {
        match self {
            #[cfg(feature = "http")]
            SinkConnection::Http(connection) => connection.usage(),
            #[cfg(feature = "sqlite")]
            SinkConnection::Sqlite(_) => Usage::default(),
            #[cfg(feature = "postgres")]
            SinkConnection::Postgres(_) => Usage::default(),
            #[cfg(feature = "file")]
            SinkConnection::File(_) => Usage::default(),
            SinkConnection::Null(_) | SinkConnection::Called(_) => Usage::default(),
        }
    }
}

/// The same reply of a service that has nothing to say but that.
fn unanswered<A>(reply: Reply<A>) -> Reply<Answer> {
    match reply {
        Reply::All(answers) => Reply::All(vec![None; answers.len()]),
        Reply::Each(outcomes) => Reply::Each(
            outcomes
                .into_iter()
                .map(|outcome| outcome.map(|_| None))
                .collect(),
        ),
    }
}
