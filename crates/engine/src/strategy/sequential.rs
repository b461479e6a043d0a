//! `sequential`: fetch, compute, save one item, waiting for each answer; next. It is a batch of one.

use super::{Steps, batched};
use crate::service::Service;

pub(super) async fn drive<T, Q, R, F, S>(steps: Steps<T, Q, R, F, S>)
where
    T: 'static,
    Q: 'static,
    R: 'static,
    F: Service<T, Answer = Q>,
    S: Service<R>,
{
    batched::drive(steps, 1).await;
}
