//! `inflight._inflight`: what of the engine Python cannot say for itself. The package beside it, in `python/inflight`, is what
//! people use.
//!
//! Python and the engine meet in four places, each a file: where items come from (`supply`), code that fetches and saves (`calls`),
//! code that computes in this process (`threads`), and results that come back (`results`). `run` is the job with all of them. The
//! interpreter is never held while anything here waits.

mod calls;
mod fault;
mod objects;
mod results;
mod run;
mod supply;
mod threads;
mod values;

/// The extension.
#[pyo3::pymodule(gil_used = false)]
mod _inflight {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::calls::Calls;
    #[pymodule_export]
    use crate::results::Results;
    #[pymodule_export]
    use crate::run::{Refused, Run};
    #[pymodule_export]
    use crate::supply::Signal;

    /// Makes this process end when `parent` does, if the system can; false when `parent` has ended already.
    #[pyfunction]
    fn follow(parent: i32) -> bool {
        crate::end_with(parent)
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

#[cfg(target_os = "linux")]
fn end_with(parent: i32) -> bool {
    use nix::sys::prctl::set_pdeathsig;
    use nix::sys::signal::Signal;
    use nix::unistd::getppid;

    // Without it the worker still sees its input end.
    let _ = set_pdeathsig(Signal::SIGKILL);
    getppid().as_raw() == parent
}

#[cfg(not(target_os = "linux"))]
fn end_with(_: i32) -> bool {
    true
}
