//! The lab as its owner sees it: a thread that serves from start to drop.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{Notify, mpsc};

use crate::config::Config;
use crate::server;
use crate::service::Service;
use crate::stats::Stats;

/// A running model service, on one thread of its own named `inflight-lab`. Dropping it stops the thread and joins it.
#[derive(Debug)]
pub struct Lab {
    address: SocketAddr,
    /// Whoever asks holds the lock until the answer has come, so that one place in the channel is enough.
    questions: Mutex<mpsc::Sender<Question>>,
    last: Arc<OnceLock<Stats>>,
    stop: Arc<Notify>,
    /// Joined once, by `wait` or by dropping.
    thread: Option<JoinHandle<()>>,
}

/// Stops a lab from elsewhere, a signal handler for example. Stopping twice, or after the end, does nothing.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<Notify>);

/// What is asked of the lab's thread, each with where the answer goes.
#[derive(Debug)]
enum Question {
    Stats(SyncSender<Stats>),
    Reset(SyncSender<Stats>),
}

impl Lab {
    /// Starts a lab on `address`, which must be loopback; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When the address is not loopback ([`io::ErrorKind::InvalidInput`]) or cannot be listened on, or when the system
    /// has no thread to give.
    pub fn start(config: Config, address: SocketAddr) -> io::Result<Self> {
        let (questions, asked) = mpsc::channel(1);
        let (stop, last) = (Arc::new(Notify::new()), Arc::new(OnceLock::new()));
        let (ready, started) = sync_channel(1);
        let running = Running {
            config,
            asked,
            stop: Arc::clone(&stop),
            last: Arc::clone(&last),
        };
        let thread = thread::Builder::new()
            .name("inflight-lab".to_owned())
            .spawn(move || match open(address) {
                Ok((runtime, listener, address)) => {
                    // Nobody listens any more when the starter is gone, and then the stop is on its way.
                    let _ = ready.send(Ok(address));
                    runtime.block_on(running.serve(listener));
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            })?;
        let address = started
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the lab's thread ended")))?;
        Ok(Self {
            address,
            questions: Mutex::new(questions),
            last,
            stop,
            thread: Some(thread),
        })
    }

    /// Where the lab listens, with the port it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happened since the start or the last reset. Blocks for as long as the lab's thread needs to answer, which is
    /// microseconds.
    pub fn stats(&self) -> Stats {
        self.ask(Question::Stats)
    }

    /// Clears counters and stored results, and lets chance and quota begin anew, as for the next strategy of a
    /// comparison. Requests that are inside stay inside and count when they end.
    pub fn reset(&self) {
        self.ask(Question::Reset);
    }

    /// What can stop this lab while somebody [waits](Self::wait) for it.
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.stop))
    }

    /// Blocks until the lab is stopped by its [`Stopper`]; what happened in the end.
    pub fn wait(mut self) -> Stats {
        self.join();
        self.stats()
    }

    /// Asks the lab's thread; when it has ended, its last figures stand.
    fn ask(&self, question: fn(SyncSender<Stats>) -> Question) -> Stats {
        let questions = self
            .questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (reply, answer) = sync_channel(1);
        let answered = questions
            .try_send(question(reply))
            .is_ok()
            .then(|| answer.recv().ok());
        answered
            .flatten()
            .or_else(|| self.last.get().copied())
            .expect("a lab's thread leaves its last figures behind")
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed where it happened; there is nothing to add to it.
            let _ = thread.join();
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop.notify_one();
        self.join();
    }
}

impl Stopper {
    /// Stops the lab; requests that are inside are cut.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

/// What the lab's thread holds.
struct Running {
    config: Config,
    asked: mpsc::Receiver<Question>,
    stop: Arc<Notify>,
    last: Arc<OnceLock<Stats>>,
}

impl Running {
    /// Serves until the stop, and leaves the last figures behind before anybody can find the channel closed.
    async fn serve(mut self, listener: TcpListener) {
        let service = Rc::new(Service::new(self.config));
        tokio::select! {
            () = self.stop.notified() => {}
            () = server::serve(listener, Rc::clone(&service)) => {}
            () = answer_questions(&mut self.asked, &service) => {}
            () = service.change() => {}
            () = service.timer.run() => {}
        }
        let _ = self.last.set(service.stats());
    }
}

async fn answer_questions(asked: &mut mpsc::Receiver<Question>, service: &Service) {
    while let Some(question) = asked.recv().await {
        let reply = match question {
            Question::Stats(reply) => reply,
            Question::Reset(reply) => {
                service.reset();
                reply
            }
        };
        // Whoever asked is blocked until this arrives, unless its thread is gone.
        let _ = reply.send(service.stats());
    }
}

fn open(address: SocketAddr) -> io::Result<(LocalRuntime, TcpListener, SocketAddr)> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    let listener = {
        let _entered = runtime.enter();
        server::listen(address)?
    };
    let address = listener.local_addr()?;
    Ok((runtime, listener, address))
}
