//! A queue of chunks between two threads, bounded in bytes and in chunks, whose ends may each block or await.
//!
//! It exists because what joins a stage of the pipeline to the next is always a thread and an event loop,
//! and because items have sizes: a bound on their number bounds no memory. A lock is taken once a chunk,
//! which is about once a millisecond of work, so it is never what a run waits for. The end of the items and
//! the wish to stop both travel by dropping an end.

use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::line::Line;
use crate::record::Chunk;

/// Chunks that wait at most, however small: a few for each thread that may take them. What waits was cut
/// before the cost of an item was known as well as it is now.
const CHUNKS_MAX: usize = 64;

/// A queue that takes another chunk as long as it holds fewer bytes than this. It may exceed the bound by one
/// chunk, and a single item larger than the bound still passes.
pub(crate) fn queue<T>(bytes_max: usize) -> (Sender<T>, Receiver<T>) {
    of(Line::as_they_come(), bytes_max)
}

/// The same, which gives chunks in the order of their numbers, whatever the order in which they come.
///
/// Those that are early wait in it and count; when it is full, whoever brings another waits, unless that is the one
/// whose turn it is. So it cannot come to a halt as long as the chunks are taken on in the order of their numbers: then
/// whoever has the next one does not wait here.
pub(crate) fn queue_in_order<T>(bytes_max: usize) -> (Sender<T>, Receiver<T>) {
    of(Line::in_order(), bytes_max)
}

/// The same, which gives chunks as they come, but of each value one after the other: the next when [`Behind`] is told that the one
/// before it has ended. Each chunk has one record, and those that wait count in bytes alone.
pub(crate) fn queue_by_value<T>(bytes_max: usize, halts: bool) -> (Sender<T>, Receiver<T>) {
    of(Line::by_value(halts), bytes_max)
}

fn of<T>(chunks: Line<T>, bytes_max: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            chunks,
            bytes: 0,
            senders: 1,
            receivers: 1,
            closed: false,
            left: 0,
            waiting_receivers: Vec::new(),
            waiting_senders: Vec::new(),
        }),
        bytes_max,
        filled: Condvar::new(),
        emptied: Condvar::new(),
    });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

/// The end that is filled. When the last one is dropped, the receivers see the end.
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// The end that is emptied. When the last one is dropped, senders are told to stop.
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

/// Looks at how full a queue is, and keeps neither end open.
pub(crate) struct Level<T>(Arc<Shared<T>>);

impl<T> Level<T> {
    /// Chunks that wait to be taken.
    pub(crate) fn chunks(&self) -> usize {
        self.0.lock().chunks.len()
    }
}

/// Tells a queue which items have ended, and keeps neither end open.
pub(crate) struct Behind<T>(Arc<Shared<T>>);

impl<T> Behind<T> {
    /// An item is saved or dead: the next of its value may be taken.
    pub(crate) fn ended(&self, index: u64, is_saved: bool) {
        let mut state = self.0.lock();
        let left = state.chunks.ended(index, is_saved);
        state.bytes -= left.iter().map(|chunk| chunk.bytes).sum::<usize>();
        state.left += left.len() as u64;
        // One more can be taken; or there is room; or nothing is left that somebody could wait for.
        self.0.filled.notify_all();
        state.waiting_receivers.drain(..).for_each(Waker::wake);
        if !left.is_empty() {
            self.0.wake_senders(&mut state);
        }
        drop(state);
        drop(left);
    }

    /// Items that wait for one before them.
    pub(crate) fn waiting(&self) -> usize {
        self.0.lock().chunks.behind()
    }

    /// Items that are left because one before them is dead.
    pub(crate) fn left(&self) -> u64 {
        self.0.lock().left
    }
}

impl<T> Clone for Behind<T> {
    fn clone(&self) -> Behind<T> {
        Behind(Arc::clone(&self.0))
    }
}

/// Nobody will take what is sent.
#[derive(Debug)]
pub(crate) struct Closed;

struct Shared<T> {
    state: Mutex<State<T>>,
    bytes_max: usize,
    filled: Condvar,
    emptied: Condvar,
}

struct State<T> {
    chunks: Line<T>,
    bytes: usize,
    senders: usize,
    receivers: usize,
    closed: bool,
    /// Items that were left because one before them is dead.
    left: u64,
    // Tasks, not threads; each is woken once and asks again.
    waiting_receivers: Vec<Waker>,
    waiting_senders: Vec<Waker>,
}

impl<T> State<T> {
    /// What was in the queue, to be dropped when the lock is not held: a user's values may do anything then.
    fn empty(&mut self) -> Line<T> {
        self.bytes = 0;
        self.chunks.take()
    }

    fn is_wanted(&self) -> bool {
        self.receivers > 0 && !self.closed
    }

    /// Whether nothing more will come, once what is here is taken.
    fn is_ended(&self) -> bool {
        (self.senders == 0 && self.chunks.behind() == 0) || self.closed
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_full(&self, state: &State<T>) -> bool {
        state.bytes >= self.bytes_max || state.chunks.len() >= CHUNKS_MAX
    }

    /// Gives the chunk back if it is left, to be dropped when the lock is not held.
    fn push(&self, state: &mut State<T>, chunk: Chunk<T>) -> Option<Chunk<T>> {
        let bytes = chunk.bytes;
        let left = state.chunks.push(chunk);
        if left.is_some() {
            state.left += 1;
            return left;
        }
        state.bytes += bytes;
        self.filled.notify_one();
        if let Some(waker) = state.waiting_receivers.pop() {
            waker.wake();
        }
        None
    }

    fn pop(&self, state: &mut State<T>) -> Option<Chunk<T>> {
        let was_full = self.is_full(state);
        let chunk = state.chunks.pop()?;
        state.bytes -= chunk.bytes;
        // In order, the turn has come to another, and whoever waits with that one need wait no longer.
        if was_full && (state.chunks.is_in_order() || !self.is_full(state)) {
            self.wake_senders(state);
        }
        Some(chunk)
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let dropped = state.empty();
        self.filled.notify_all();
        state.waiting_receivers.drain(..).for_each(Waker::wake);
        self.wake_senders(&mut state);
        drop(state);
        drop(dropped);
    }

    fn wake_senders(&self, state: &mut State<T>) {
        self.emptied.notify_all();
        state.waiting_senders.drain(..).for_each(Waker::wake);
    }
}

impl<T> Sender<T> {
    /// Waits for room, blocking the thread.
    pub(crate) fn send(&self, chunk: Chunk<T>) -> Result<(), Closed> {
        let mut state = self.0.lock();
        while state.is_wanted() && self.0.is_full(&state) && !state.chunks.is_next(chunk.number) {
            state = self
                .0
                .emptied
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if !state.is_wanted() {
            return Err(Closed);
        }
        let left = self.0.push(&mut state, chunk);
        drop(state);
        drop(left);
        Ok(())
    }

    /// Adds a chunk whether or not there is room; for a stage that asked for room before it sent requests.
    pub(crate) fn push(&self, chunk: Chunk<T>) {
        let mut state = self.0.lock();
        if state.is_wanted() {
            let left = self.0.push(&mut state, chunk);
            drop(state);
            drop(left);
        }
    }

    /// Ends the queue for everybody, as [`Receiver::close`]: in order, others may wait for what will never come.
    pub(crate) fn close(&self) {
        self.0.close();
    }

    /// Waits, without blocking, until there is room.
    pub(crate) async fn room(&self) -> Result<(), Closed> {
        self.until(|state| !self.0.is_full(state)).await
    }

    /// Waits, without blocking, until there is room for the chunk of this number.
    #[cfg(test)]
    pub(crate) async fn room_for(&self, number: u64) -> Result<(), Closed> {
        self.until(|state| !self.0.is_full(state) || state.chunks.is_next(number))
            .await
    }

    async fn until(&self, is_time: impl Fn(&State<T>) -> bool) -> Result<(), Closed> {
        poll_fn(|context| {
            let mut state = self.0.lock();
            if !state.is_wanted() {
                return Poll::Ready(Err(Closed));
            }
            if is_time(&state) {
                return Poll::Ready(Ok(()));
            }
            wait(&mut state.waiting_senders, context.waker());
            Poll::Pending
        })
        .await
    }
}

impl<T> Receiver<T> {
    /// Looks at how full the queue is.
    pub(crate) fn level(&self) -> Level<T> {
        Level(Arc::clone(&self.0))
    }

    /// Tells it which items have ended.
    pub(crate) fn behind(&self) -> Behind<T> {
        Behind(Arc::clone(&self.0))
    }

    /// Waits for a chunk, blocking the thread. `None`: there will be no more.
    pub(crate) fn recv(&self) -> Option<Chunk<T>> {
        let mut state = self.0.lock();
        loop {
            if let Some(chunk) = self.0.pop(&mut state) {
                return Some(chunk);
            }
            if state.is_ended() {
                return None;
            }
            state = self
                .0
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for a chunk without blocking. `None`: there will be no more.
    pub(crate) async fn recv_async(&self) -> Option<Chunk<T>> {
        self.recv_until(|_| false).await
    }

    /// The same for one who has items in hand that others may be behind. `None`: there will be no more before those have ended.
    pub(crate) async fn recv_before_those_behind(&self) -> Option<Chunk<T>> {
        self.recv_until(|state| state.chunks.behind() > 0).await
    }

    async fn recv_until(&self, is_over: impl Fn(&State<T>) -> bool) -> Option<Chunk<T>> {
        poll_fn(|context| {
            let mut state = self.0.lock();
            if let Some(chunk) = self.0.pop(&mut state) {
                return Poll::Ready(Some(chunk));
            }
            if state.is_ended() || is_over(&state) {
                return Poll::Ready(None);
            }
            wait(&mut state.waiting_receivers, context.waker());
            Poll::Pending
        })
        .await
    }

    /// Ends the queue for everybody: what is in it is dropped, senders are told to stop, receivers see the end.
    pub(crate) fn close(&self) {
        self.0.close();
    }

    /// The same queue, for code that is generic over a type which is `T` whenever this is called.
    pub(crate) fn of_same_type<U: 'static>(self) -> Receiver<U>
    where
        T: 'static,
    {
        let same: Box<dyn std::any::Any> = Box::new(self);
        *same
            .downcast()
            .expect("a job without a fetch computes on its items, so both types are one")
    }

    /// A chunk that is there already.
    pub(crate) fn try_recv(&self) -> Option<Chunk<T>> {
        self.0.pop(&mut self.0.lock())
    }
}

/// Adds a task to those that wait. It may have been polled for other reasons meanwhile, and waits already.
fn wait(waiting: &mut Vec<Waker>, task: &Waker) {
    if !waiting.iter().any(|other| other.will_wake(task)) {
        waiting.push(task.clone());
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.0.lock().senders += 1;
        Sender(Arc::clone(&self.0))
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        self.0.lock().receivers += 1;
        Receiver(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.senders -= 1;
        if state.senders == 0 {
            self.0.filled.notify_all();
            state.waiting_receivers.drain(..).for_each(Waker::wake);
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.receivers -= 1;
        if state.receivers == 0 {
            // What nobody will take is dropped now, not when the last sender goes.
            let dropped = state.empty();
            self.0.wake_senders(&mut state);
            drop(state);
            drop(dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;

    fn chunk(index: u64, bytes: usize) -> Chunk<u64> {
        Chunk {
            records: vec![Record::new(index, index)],
            bytes,
            number: index,
            value: None,
        }
    }

    #[test]
    fn chunks_arrive_in_order_and_the_end_is_seen() {
        let (sender, receiver) = queue(100);
        let filler = std::thread::spawn(move || {
            for index in 0..1000 {
                sender.send(chunk(index, 60)).unwrap();
            }
        });
        let mut seen = Vec::new();
        while let Some(chunk) = receiver.recv() {
            assert!(
                receiver.0.lock().bytes < 160,
                "one chunk over the bound at most"
            );
            seen.extend(chunk.records.iter().map(|r| r.index));
        }
        filler.join().unwrap();
        assert_eq!(seen, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_sender_that_waits_is_told_to_stop() {
        let (sender, receiver) = queue(1);
        sender.send(chunk(0, 10)).unwrap();
        let filler = std::thread::spawn(move || sender.send(chunk(1, 10)));
        drop(receiver);
        assert!(filler.join().unwrap().is_err());
    }

    #[test]
    fn what_is_early_waits_and_what_is_awaited_passes_a_full_queue() {
        let (sender, receiver) = queue_in_order(100);
        let early = [1, 2, 3].map(|number| {
            let sender = sender.clone();
            std::thread::spawn(move || sender.send(chunk(number, 60)))
        });
        while receiver.0.lock().bytes < 120 {
            std::thread::yield_now();
        }
        assert!(receiver.try_recv().is_none(), "none of them is the next");
        sender.send(chunk(0, 60)).unwrap();
        drop(sender);
        let order: Vec<u64> = std::iter::from_fn(|| receiver.recv())
            .map(|chunk| chunk.number)
            .collect();
        assert_eq!(order, [0, 1, 2, 3]);
        for sending in early {
            sending.join().unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_task_that_is_polled_often_waits_once() {
        let (_sender, receiver) = queue::<u64>(10);
        let mut waiting = std::pin::pin!(receiver.recv_async());
        for _ in 0..100 {
            assert!(poll_once(waiting.as_mut()).await.is_pending());
        }
        assert_eq!(receiver.0.lock().waiting_receivers.len(), 1);
    }

    async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
    }

    #[tokio::test]
    async fn a_task_waits_for_a_thread_and_a_thread_for_a_task() {
        let (sender, receiver) = queue(10);
        let filler = std::thread::spawn(move || {
            for index in 0..100 {
                sender.send(chunk(index, 10)).unwrap();
            }
        });
        let mut count = 0;
        while receiver.recv_async().await.is_some() {
            count += 1;
        }
        filler.join().unwrap();
        assert_eq!(count, 100);
    }
}
