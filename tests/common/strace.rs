//! Runs the program under strace: with one system call that fails, kills, or does nothing.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{Outcome, TestRepo, have, run, skipped};

/// How long any command may take; far more than the slowest machine needs.
const PATIENCE: &str = "120";

/// Whether system calls can be traced and made to fail here; says so where they cannot.
pub fn can_trace() -> bool {
    if !have("strace") {
        return false;
    }
    let mut strace = Command::new("strace");
    let traced = strace.args(["-o", "/dev/null", "-e", "inject=sync:error=EIO", "true"]).output();
    let allowed = traced.is_ok_and(|output| output.status.success());
    if !allowed {
        skipped("crashes at every system call (strace is not allowed here)");
    }
    allowed
}

/// Runs the program itself (not git's alias for it) with `fault` at its `n`-th `call`.
pub fn with_fault(repo: &TestRepo, call: &str, n: usize, fault: &str, line: &[&str]) -> Outcome {
    let (trace, inject) = at_call(call, n, fault);
    let began = Instant::now();
    let mut strace = repo.world.command("timeout", &repo.top);
    strace
        .args(["-s", "KILL", PATIENCE, "strace", "-o"])
        .arg(repo.world.path("strace-log"))
        .args(["-e", &trace, "-e", &inject, "git-codex-archive"])
        .args(line);
    let outcome = run(strace, None);
    assert!(began.elapsed() < Duration::from_secs(100), "it hangs:\n{outcome}");
    outcome
}

/// What strace must be told for `fault` at the `n`-th `call`.
pub fn at_call(call: &str, n: usize, fault: &str) -> (String, String) {
    (format!("trace=?{call}"), format!("inject=?{call}:{fault}:when={n}"))
}

/// Whether the last fault met its system call.
pub fn fault_was_met(repo: &TestRepo) -> bool {
    let log = std::fs::read_to_string(repo.world.path("strace-log")).unwrap_or_default();
    log.contains("(INJECTED)") || log.contains("+++ killed by SIGKILL")
}
