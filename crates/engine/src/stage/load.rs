//! What a stage has to do at one moment, and what keeps it from doing it.

use std::time::Duration;

use super::Stage;
use crate::load::{Held, StageLoad};
use crate::service::Service;

impl<Q: 'static, S: Service<Q>> Stage<Q, S> {
    /// What there is to do now.
    pub(crate) fn load(&self) -> StageLoad {
        let now = self.0.clock.now();
        let dispatch = self.0.dispatch.borrow();
        let gate = dispatch.gate();
        let ready = dispatch.ready();
        let mut load = StageLoad {
            in_flight: gate.in_flight(),
            limit: gate.limit(),
            connecting: self.0.pool.opening(),
            ready,
            retrying: dispatch.backlog.waiting(),
            held: None,
        };
        drop(dispatch);
        load.held = (ready > 0).then(|| self.held_by(now)).flatten();
        load
    }

    fn held_by(&self, now: Duration) -> Option<Held> {
        if self.0.brake.is_held() {
            return Some(Held::Brake);
        }
        if self.is_too_far_ahead() {
            return Some(Held::Journal);
        }
        if self.is_held_up() {
            return Some(Held::Order);
        }
        let dispatch = self.0.dispatch.borrow();
        match dispatch.gate().held(now) {
            Some(Held::Limit) if self.0.service.connections_max() == 1 => Some(Held::Single),
            held => held,
        }
    }
}
