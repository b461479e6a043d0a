//! Wires the parts together.
use crate::{error::Error, job::Job, options::Options, service::Service, summary::Summary};

pub(crate) fn run<T, Q, F, R, S>(_job: Job<T, Q, F, R, S>, options: &Options) -> Result<Summary, Error>
where
    T: Send + 'static,
    Q: Send + 'static,
    R: Send + 'static,
    F: Service<T, Answer = Q>,
    S: Service<R>,
{
    options.check()?;
    Err(Error::internal("being written"))
}
pub(crate) async fn run_async<T, Q, F, R, S>(_job: Job<T, Q, F, R, S>, _options: &Options) -> Result<Summary, Error>
where
    T: Send + 'static,
    Q: Send + 'static,
    R: Send + 'static,
    F: Service<T, Answer = Q>,
    S: Service<R>,
{
    Err(Error::internal("being written"))
}
