//! What holds a run back for a while: nothing new is sent until it lets go.

use tokio::sync::watch;

/// A handle that pauses a run and lets it go on. Clones are the same brake.
///
/// While it holds, no request is begun, to save or to fetch; those that were begun are answered. It stops nothing: to end a run is
/// for [`Stop`](crate::Stop).
///
/// ```
/// use inflight::{Brake, Fault, Job, Options};
///
/// let brake = Brake::new();
/// brake.hold();
/// let other = brake.clone();
/// std::thread::spawn(move || other.release()); // when the replica has caught up
/// let job = Job::new(0..100).compute(|n: i32| n).save(async |_: &i32| Ok::<(), Fault>(()));
/// let summary = job.braked_by(&brake).run(&Options::default())?;
/// assert_eq!(summary.saved, 100);
/// # Ok::<(), inflight::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Brake(watch::Sender<bool>);

impl Default for Brake {
    fn default() -> Brake {
        Brake::new()
    }
}

impl Brake {
    /// One that does not hold.
    pub fn new() -> Brake {
        Brake(watch::Sender::new(false))
    }

    /// Begins no further request until the brake is released.
    pub fn hold(&self) {
        self.0.send_replace(true);
    }

    /// Goes on.
    pub fn release(&self) {
        self.0.send_replace(false);
    }

    /// Whether it holds.
    pub fn is_held(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is released after it was held.
    pub(crate) async fn released(&self) {
        let mut receiver = self.0.subscribe();
        // Fails only when every sender is gone, and there is one here.
        let _ = receiver.wait_for(|is_held| *is_held).await;
        let _ = receiver.wait_for(|is_held| !*is_held).await;
    }
}
