//! The repository against real git.

use super::testing;
