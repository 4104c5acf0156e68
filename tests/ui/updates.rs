//! What the screen does about what happens.
