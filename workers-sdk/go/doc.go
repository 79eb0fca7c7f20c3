// Package workman makes workers for workmand, and a producer. Go 1.18 or later, no other module.
//
//	func main() {
//		workman.Func("resize", resize, workman.Options{Timeout: 30 * time.Second})
//		workman.Serve(workman.Config{})
//	}
//
// Serve reads jobs from stdin and writes outcomes to a private copy of stdout. In a worker, loading
// this package points descriptor 1 at stderr and 0 at /dev/null, so that no print and no child can
// damage the protocol; elsewhere it touches nothing.
package workman

// Version is the version of this package.
const Version = "0.1.0"

const protocolVersion = 1
