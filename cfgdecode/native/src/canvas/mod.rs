//! Canvases: cells, the rows of chart sets at their boundaries, verdicts, allowed sets, completions.

mod ahead;
mod allowed;
mod anything;
mod characters;
mod charts;
mod chase;
mod clock;
mod constraint;
mod context;
mod decide;
mod filling;
mod gap;
mod pass;
mod pool;
mod representatives;
mod right_row;
mod session;
mod shared;
mod shortest;
mod sketch;
mod slots;
mod view;
mod viterbi;

pub use allowed::Allowed;
pub use clock::N_STAGES;
pub use constraint::{Constraint, ConstraintError, Limits, Tables};
pub use session::{Answer, Session, Stats};
pub use slots::{EosPolicy, Slot};
pub use view::{Choice, View};
pub use viterbi::Candidates;
