//! Causes of the policy box.
