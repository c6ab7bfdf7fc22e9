//! The program dies, or the disk fails, at every system call that changes something.
//!
//! A deed is done once under strace, which tells its changing calls, those of the gits it starts
//! included. Then it is done anew for each call and each fault, and judged: nothing is lost at any
//! moment, and the same command afterwards does it after all.

mod deeds;
mod fault;
mod image;
mod judge;
mod order;
mod space;
mod sweep;
mod trace;

use sweep::sweep;

#[test]
fn crash_init() {
    sweep(&deeds::INIT);
}

#[test]
fn crash_init_trust() {
    sweep(&deeds::TRUST);
}

#[test]
fn crash_store() {
    sweep(&deeds::STORE_TWO);
}

#[test]
fn crash_store_first() {
    sweep(&deeds::STORE_FIRST);
}

#[test]
fn crash_store_many() {
    sweep(&deeds::STORE_MANY);
}

#[test]
fn crash_store_sidecar() {
    sweep(&deeds::STORE_SIDECAR);
}

#[test]
fn crash_store_exact_entries() {
    sweep(&deeds::STORE_EXACT);
}

#[test]
fn crash_store_that_frees_its_path() {
    sweep(&deeds::STORE_FREED);
}

#[test]
fn crash_restore_of_a_freed_path() {
    sweep(&deeds::RESTORE_FREED);
}

#[test]
fn crash_restore_in_place() {
    sweep(&deeds::RESTORE_STAGE);
}

#[test]
fn crash_restore_to_a_file() {
    sweep(&deeds::RESTORE_FILE);
}

#[test]
fn crash_batch_store() {
    sweep(&deeds::BATCH_STORE);
}

#[test]
fn crash_batch_restore() {
    sweep(&deeds::BATCH_RESTORE);
}

#[test]
fn crash_import() {
    sweep(&deeds::IMPORT);
}

#[test]
fn crash_copy() {
    sweep(&deeds::COPY);
}

#[test]
fn crash_migrate() {
    sweep(&deeds::MIGRATE);
}

#[test]
fn crash_drop() {
    sweep(&deeds::DROP);
}

#[test]
fn crash_undo() {
    sweep(&deeds::UNDO);
}

#[test]
fn crash_reconcile() {
    sweep(&deeds::RECONCILE);
}

#[test]
fn crash_hooks_install() {
    sweep(&deeds::HOOKS_INSTALL);
}

#[test]
fn crash_hooks_uninstall() {
    sweep(&deeds::HOOKS_UNINSTALL);
}

#[test]
fn crash_evidence_new_log() {
    sweep(&deeds::NEW_LOG);
}

#[test]
fn crash_retention_plan() {
    sweep(&deeds::retention::PLAN);
}

#[test]
fn crash_retention_apply() {
    sweep(&deeds::retention::APPLY);
}

#[test]
fn crash_memory_save() {
    sweep(&deeds::memory::SAVE_ENTRY);
}

#[test]
fn crash_memory_save_again() {
    sweep(&deeds::memory::SAVE_AGAIN);
}

#[test]
fn crash_memory_forget() {
    sweep(&deeds::memory::FORGET);
}

#[test]
fn crash_fsck_repair() {
    sweep(&deeds::REPAIR);
}

#[test]
fn crash_prune_request() {
    sweep(&deeds::governance::PRUNE_REQUEST);
}

#[test]
fn crash_approve() {
    sweep(&deeds::governance::APPROVE);
}

#[test]
fn crash_purge() {
    sweep(&deeds::governance::PURGE);
}

#[test]
fn crash_hold_set() {
    sweep(&deeds::governance::HOLD_SET);
}

#[test]
fn crash_hold_release() {
    sweep(&deeds::governance::HOLD_RELEASE);
}

#[test]
fn crash_policy_adopt() {
    sweep(&deeds::governance::POLICY_ADOPT);
}

#[test]
fn crash_restore_approved() {
    sweep(&deeds::governance::RESTORE_APPROVED);
}

#[test]
fn crash_backup_create() {
    sweep(&deeds::BACKUP_CREATE);
}

#[test]
fn crash_backup_restore() {
    sweep(&deeds::BACKUP_RESTORE);
}

#[test]
fn crash_backup_drill() {
    sweep(&deeds::BACKUP_DRILL);
}

#[test]
fn crash_maintenance_on() {
    sweep(&deeds::MAINTENANCE_ON);
}

#[test]
fn crash_maintenance_off() {
    sweep(&deeds::MAINTENANCE_OFF);
}
