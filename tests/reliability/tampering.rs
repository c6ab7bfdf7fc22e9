//! Ten ways to edit history, and three that only look like one.
