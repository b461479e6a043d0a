//! `sequential`: fetch, compute, save one item, waiting for each answer; next. It is a batch of one.

use super::{Steps, batched};
use crate::job::Types;

pub(super) async fn drive<W: Types>(steps: Steps<W>) {
    batched::drive(steps, 1).await;
}
