//! One connection to a server, with the task that reads and writes for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use inflight::Fault;
use tokio::runtime::{self, Handle};
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::address::Address;
use super::tls::Tls;
use super::verdict;
use crate::secret;

/// How long telling the server to give up a statement may take. Nobody waits for it, and the server may not be there.
const CANCEL_MAX: Duration = Duration::from_secs(5);

/// How long nobody may answer, before a connection is opened to look at something.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// A value of a statement that is sent once, and its type.
pub(super) type Bound<'a> = (&'a (dyn ToSql + Sync), Type);

/// A value with its type.
pub(super) fn bound<'a>(value: &'a (impl ToSql + Sync), kind: Type) -> Bound<'a> {
    (value, kind)
}

/// Opens connections to one address.
#[derive(Clone)]
pub(super) struct Opener {
    config: Config,
    tls: Option<Tls>,
    /// What tells servers to give up statements that nobody waits for any more; stopped with the last that uses it.
    cancels: Arc<Mutex<JoinSet<()>>>,
    place: String,
}

impl Opener {
    /// Reads the password and certificates.
    ///
    /// Fails with a sentence that names where one of them cannot be read.
    pub(super) fn new(address: &Address) -> Result<Opener, String> {
        let fail = |why: String| format!("address {address}: {why}");
        let tls = Tls::of(address).map_err(fail)?;
        let mut config = Config::new();
        config
            .host(&address.host)
            .port(address.port)
            .user(&address.user)
            .dbname(&address.database)
            .application_name("inflight")
            .ssl_mode(match tls {
                Some(_) => SslMode::Require,
                None => SslMode::Disable,
            });
        if let Some(place) = &address.password {
            let password = secret::read(place).map_err(|why| fail(format!("password: {why}")))?;
            config.password(password.unwrap_or_default());
        }
        Ok(Opener {
            config,
            tls,
            cancels: Arc::default(),
            place: address.to_string(),
        })
    }

    /// The server, for messages.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Opens a connection. A failure is "unreached", or permanent where nobody like this is let in; nothing has been sent.
    pub(super) async fn open(&self) -> Result<Link, Fault> {
        let opened = match &self.tls {
            Some(tls) => self
                .config
                .connect(tls.clone())
                .await
                .map(|(client, driver)| {
                    // Each statement that waits is told why the connection ended.
                    let driver = tokio::spawn(async move { drop(driver.await) });
                    (client, driver)
                }),
            None => self.config.connect(NoTls).await.map(|(client, driver)| {
                let driver = tokio::spawn(async move { drop(driver.await) });
                (client, driver)
            }),
        };
        let (client, driver) = opened.map_err(|cause| verdict::unconnected(&self.place, &cause))?;
        Ok(Link {
            client,
            driver,
            opener: self.clone(),
            is_busy: false,
            is_out_of_step: false,
            questions: 0,
        })
    }

    /// Waits until servers were told to give up what nobody waits for any more.
    pub(super) async fn cancelled(&self) {
        let cancels = {
            let mut cancels = self.cancels.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *cancels)
        };
        cancels.join_all().await;
    }

    /// Does something on a connection of its own, and waits for it, on a thread of its own: whoever asks may be part of
    /// a runtime, or of none.
    pub(super) fn alone<T: Send>(
        &self,
        work: impl AsyncFnOnce(&mut Link) -> Result<T, Fault> + Send,
    ) -> Result<T, Fault> {
        let failed = |cause| Fault::permanent("cannot start a thread").because(cause);
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().spawn_scoped(scope, || {
                let runtime = runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(failed)?;
                runtime.block_on(async {
                    let opened = tokio::time::timeout(LOOK_MAX, self.open()).await;
                    let mut link = opened.unwrap_or_else(|_| {
                        let place = &self.place;
                        Err(Fault::unreached(format!(
                            "no answer of {place} within {LOOK_MAX:.0?}"
                        )))
                    })?;
                    work(&mut link).await
                })
            });
            match thread.map_err(failed)?.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

/// A connection. Dropping it closes it; a statement that is under way then is cancelled, as nobody will read its answer.
pub(super) struct Link {
    pub(super) client: Client,
    /// Reads and writes; stopped on drop, which closes the socket.
    driver: JoinHandle<()>,
    opener: Opener,
    /// Whether a statement may be under way.
    pub(super) is_busy: bool,
    /// Whether answers may go to the wrong statement: it is not used again.
    is_out_of_step: bool,
    /// Questions that were asked to see that they do not.
    questions: u64,
}

impl Link {
    /// Whether statements can be sent.
    pub(super) fn is_open(&self) -> bool {
        !self.is_out_of_step && !self.client.is_closed()
    }

    /// Takes back whatever the transaction has done, so that the connection can be used again; or closes it, which takes
    /// it back too.
    ///
    /// The client gets out of step with the server when COPY fails before any row was read: the server then says once more
    /// than the client expects that it is ready, and each answer after that would go to the statement that follows. So a
    /// question is asked whose answer nothing else can be.
    pub(super) async fn roll_back(&mut self) {
        self.questions += 1;
        let question = format!("ROLLBACK; SELECT {}", self.questions);
        let answers = self.client.simple_query(&question).await;
        let is_answer = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => row.get(0) == Some(&self.questions.to_string()),
            _ => false,
        };
        self.is_out_of_step |= !answers.is_ok_and(|answers| answers.iter().any(is_answer));
    }

    /// Tells the server to give up what it is at.
    fn cancel(&self) {
        // No runtime, no thread to wait on; the server notices by itself, only later.
        if Handle::try_current().is_err() {
            return;
        }
        let (token, tls) = (self.client.cancel_token(), self.opener.tls.clone());
        let cancel = async move {
            match tls {
                Some(tls) => token.cancel_query(tls).await,
                None => token.cancel_query(NoTls).await,
            }
        };
        let mut cancels = self
            .opener
            .cancels
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Those that are done; there are no more at a time than there were connections.
        while cancels.try_join_next().is_some() {}
        cancels.spawn(async move {
            // The server may be away, which is why it did not answer.
            let _ = tokio::time::timeout(CANCEL_MAX, cancel).await;
        });
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.is_busy && !self.client.is_closed() {
            self.cancel();
        }
        self.driver.abort();
    }
}
