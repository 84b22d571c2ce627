// Package child keeps processes that tests have started from outliving them.
package child
