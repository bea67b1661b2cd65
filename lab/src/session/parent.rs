//! Ending with whoever started us.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal};

use super::SessionError;

/// From now on this process ends, by SIGKILL, when its parent does. For test programs, to be called in `main` after
/// [`super::init`]: nextest puts each test into a process group of its own, so nothing else reaches a test whose runner
/// was killed, and a test that goes on owns its labs.
///
/// Where this process leads its group, as under nextest, what it has started in it ends too.
///
/// A thread waits for the parent's end. The kernel's own signal for this (`PR_SET_PDEATHSIG`) is sent when the *thread*
/// that started us ends, and runners start tests from threads that come and go.
///
/// # Errors
/// The parent cannot be watched, as on kernels before 5.3.
pub fn die_with_parent() -> Result<(), SessionError> {
    let Some(parent) = rustix::process::getppid() else {
        // Our parent is outside our pid namespace: nothing there can be watched.
        return Ok(());
    };
    let watched = match rustix::process::pidfd_open(parent, PidfdFlags::empty()) {
        Ok(watched) => Some(watched),
        Err(Errno::SRCH) => None,
        Err(errno) => return Err(SessionError::Parent(errno.into())),
    };
    // Dead before it was watched, and its pid perhaps another's by now: then we have another parent.
    let Some(watched) = watched.filter(|_| rustix::process::getppid() == Some(parent)) else {
        end();
    };
    std::thread::Builder::new()
        .name("die-with-parent".into())
        .spawn(move || {
            while poll(&mut [PollFd::new(&watched, PollFlags::IN)], None) == Err(Errno::INTR) {}
            end()
        })
        .map_err(SessionError::Parent)?;
    Ok(())
}

fn end() -> ! {
    let me = rustix::process::getpid();
    let killed = if rustix::process::getpgid(None) == Ok(me) {
        rustix::process::kill_process_group(me, Signal::KILL)
    } else {
        rustix::process::kill_process(me, Signal::KILL)
    };
    eprintln!("cannot end with the parent ({killed:?})");
    std::process::abort();
}
