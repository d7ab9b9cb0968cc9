//! Where a session's time goes.

use std::time::{Duration, Instant};

/// What a session is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing.
    Idle,
    /// The latest witness is repaired in a window.
    Repair,
    /// A look for reasons why the canvas is dead.
    Dead,
    /// A sketch of the whole canvas is asked.
    Sketch,
    /// The exact view is asked.
    Exact,
    /// Allowed sets are worked out.
    Allowed,
    /// A shortest filling is looked for.
    Shortest,
}

/// All but `Idle`, in order.
pub const N_STAGES: usize = 6;

#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    stage: Stage,
    since: Instant,
    spent: [Duration; N_STAGES + 1],
}

impl Clock {
    pub(super) fn new() -> Clock {
        Clock { stage: Stage::Idle, since: Instant::now(), spent: [Duration::ZERO; N_STAGES + 1] }
    }

    /// Ends a stage and begins another; answers which one ended.
    pub(super) fn enter(&mut self, stage: Stage) -> Stage {
        let now = Instant::now();
        self.spent[self.stage as usize] += now - self.since;
        self.since = now;
        std::mem::replace(&mut self.stage, stage)
    }

    /// Microseconds by stage.
    pub(super) fn us(&self) -> [u64; N_STAGES] {
        std::array::from_fn(|k| self.spent[k + 1].as_micros() as u64)
    }
}
