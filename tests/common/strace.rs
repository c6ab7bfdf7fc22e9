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

/// Runs the program with `fault` at each `call` of its first thread on the file `name`.
pub fn with_fault_at(
    repo: &TestRepo,
    name: &str,
    call: &str,
    fault: &str,
    line: &[&str],
) -> Outcome {
    let mut strace = repo.command("timeout");
    strace.args(["-s", "KILL", PATIENCE, "strace", "-qq", "-o"]);
    strace.arg(repo.world.path("strace-log")).arg("-P").arg(repo.top.join(name));
    strace.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:{fault}")]);
    strace.arg("git-codex-archive").args(line);
    run(strace, None)
}

/// Runs the program with `fault` at each `call` of any thread.
pub fn with_fault_everywhere(repo: &TestRepo, call: &str, fault: &str, line: &[&str]) -> Outcome {
    let mut strace = repo.command("timeout");
    strace.args(["-s", "KILL", PATIENCE, "strace", "-f", "-qq", "-o"]);
    strace.arg(repo.world.path("strace-log"));
    strace.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:{fault}")]);
    strace.arg("git-codex-archive").args(line);
    run(strace, None)
}

/// How many threads the program starts, which must succeed.
pub fn threads(repo: &TestRepo, line: &[&str]) -> usize {
    let log = repo.world.path("strace-log");
    let mut strace = repo.command("strace");
    strace.args(["-f", "-qq", "-e", "trace=clone,clone3", "-o"]).arg(&log);
    strace.arg("git-codex-archive").args(line);
    run(strace, None).ok();
    let calls = std::fs::read_to_string(log).unwrap();
    // A call that another one interrupts stands on two lines, of which the first has its flags.
    calls.lines().filter(|it| it.contains("CLONE_THREAD")).count()
}
