//! Turns: when which arm is measured. They follow the clock on the wall, so that clients of one service that know nothing
//! of each other probe at the same moments, and each measures from its own latencies what all of them together do.

/// The shortest turn.
const SHORTEST_S: f64 = 2.0;
/// A turn is at least this many latencies long: what is sent in its middle must come back in it.
const LATENCIES: f64 = 3.5;
/// The longest, for latencies of an hour and more: 2 s · 4⁷.
const GROWTH_MAX: i32 = 7;

/// What is tried in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The limit itself.
    Hold,
    /// More.
    Up,
    /// Fewer.
    Down,
}

/// Which turn it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Turn {
    /// How long it lasts, in seconds.
    pub(super) length: f64,
    /// How many of that length were before it.
    number: f64,
    /// How much of it is left, in seconds.
    pub(super) left: f64,
}

impl Turn {
    /// The turn at this time on the wall, for a service that answers after `latency` seconds.
    pub(super) fn at(wall: f64, latency: f64) -> Turn {
        let wanted = (latency * LATENCIES / SHORTEST_S).max(1.0);
        // Powers of four: clients with about the same latency take turns of the same length.
        let growth = (wanted.log2() / 2.0).ceil() as i32;
        let length = SHORTEST_S * 4_f64.powi(growth.min(GROWTH_MAX));
        let number = (wall / length).floor();
        Turn {
            length,
            number,
            left: (number + 1.0) * length - wall,
        }
    }

    /// What is tried in it: up three times in eight turns, down once, and the limit itself between.
    pub(super) fn kind(&self) -> Kind {
        match self.number.rem_euclid(8.0) as u8 {
            1 | 3 | 5 => Kind::Up,
            6 => Kind::Down,
            _ => Kind::Hold,
        }
    }

    /// When it ends, by the clock on the wall.
    pub(super) fn ends_at(&self) -> f64 {
        (self.number + 1.0) * self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_long_enough_for_what_is_sent_in_them() {
        for (latency, length) in [
            (0.001, 2.0),
            (0.5, 2.0),
            (0.6, 8.0),
            (3.0, 32.0),
            (1e9, 32_768.0),
        ] {
            assert_eq!(Turn::at(0.0, latency).length, length, "{latency}");
        }
    }

    #[test]
    fn all_clients_are_in_the_same_turn() {
        let kinds: Vec<Kind> = (0..8)
            .map(|n| Turn::at(1e9 + f64::from(n) * 2.0, 0.1).kind())
            .collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Up).count(), 3);
        assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Down).count(), 1);
        assert_eq!(Turn::at(7.0, 0.1).ends_at(), 8.0);
    }
}
