//! How many files and connections this process may have open at once.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// For what is open besides connections: input, output, libraries, the event loop.
const OTHERS: u64 = 128;

/// Lets so many requests be in flight, for fetch and save each, and for a lab in this process that answers both.
///
/// Most systems let a process open 1,024 files unless it asks for more, which it may up to a bound of the system. When it
/// may not, connecting fails at that bound, and says so.
pub(crate) fn allow(in_flight: usize) {
    let wanted = 4 * in_flight as u64 + OTHERS;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < wanted
    {
        // It may fail only where somebody forbids it, and then the bound stays as it was.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
    }
}
