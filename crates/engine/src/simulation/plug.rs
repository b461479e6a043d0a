//! The plug of the simulated machine: counts what it does to the world, and can be pulled at any such moment. From then on
//! nothing it does has an effect, which is all that a crash is to the world.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// Pulled once, by time or at some effect.
#[derive(Debug)]
pub(crate) struct Plug {
    effects: AtomicU64,
    pulled_at: AtomicU64,
    is_out: AtomicBool,
    pulled: Notify,
}

/// What becomes of an effect on the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Whole,
    /// The machine stopped in the middle of it.
    Half,
    None,
}

impl Default for Plug {
    fn default() -> Plug {
        Plug::pulled_at(u64::MAX)
    }
}

impl Plug {
    /// A plug that is pulled at this effect, counted from 1.
    pub(crate) fn pulled_at(effect: u64) -> Plug {
        Plug {
            effects: AtomicU64::new(0),
            pulled_at: AtomicU64::new(effect),
            is_out: AtomicBool::new(false),
            pulled: Notify::new(),
        }
    }

    /// The machine is about to do something that others see.
    pub(crate) fn effect(&self) -> Effect {
        if self.is_out() {
            return Effect::None;
        }
        let effects = self.effects.fetch_add(1, Ordering::Relaxed) + 1;
        if effects < self.pulled_at.load(Ordering::Relaxed) {
            return Effect::Whole;
        }
        self.pull();
        Effect::Half
    }

    /// Whether an effect takes place, for one that is not divisible.
    pub(crate) fn has_effect(&self) -> bool {
        self.effect() == Effect::Whole
    }

    pub(crate) fn pull(&self) {
        self.is_out.store(true, Ordering::Relaxed);
        self.pulled.notify_one();
    }

    pub(crate) fn is_out(&self) -> bool {
        self.is_out.load(Ordering::Relaxed)
    }

    /// Waits until it is pulled.
    pub(crate) async fn out(&self) {
        while !self.is_out() {
            self.pulled.notified().await;
        }
    }
}
