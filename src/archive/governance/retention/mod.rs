//! Retention: what has been kept for long enough is found, planned, approved and destroyed.
//!
//! Promises: a plan destroys nothing; what is destroyed is what two people approved, byte for byte
//! of the plan's file, and only while all of it still is as planned; all of it goes in one
//! transaction with its records, or nothing does.

mod aftermath;
mod apply;
mod candidates;
mod inputs;
mod plan;
mod plan_file;
mod stubs;
mod work;

pub use apply::{ApplyOptions, ApplyReport, RetentionStage, apply_retention};
pub use candidates::{Candidate, Kept};
pub use inputs::Inputs;
pub use plan::{PlanOptions, PlanReport, TrendRun, plan_retention};
pub use plan_file::{MAX_PLAN_BYTES, PlanFile};
