// Command chancery is the command line of people and administrators: a noun, a
// verb, and --json everywhere.
//
// Private keys stay in a keyring below --home. A command that needs them asks
// a running agent (chancery agent start), which has unlocked the keyring once,
// or unlocks it itself. An agent runs the very same commands; only their input
// and output travel over its socket.
package main
