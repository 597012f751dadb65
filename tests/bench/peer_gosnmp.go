// Counts traps with gosnmp's TrapListener; a line on standard input asks how many.
//
//	peer_gosnmp PORT
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"sync/atomic"

	"github.com/gosnmp/gosnmp"
)

func main() {
	var count uint64
	listener := gosnmp.NewTrapListener()
	listener.Params = &gosnmp.GoSNMP{Community: "public", Version: gosnmp.Version2c}
	listener.OnNewTrap = func(_ *gosnmp.SnmpPacket, _ *net.UDPAddr) { atomic.AddUint64(&count, 1) }
	go func() {
		for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
			fmt.Println(atomic.LoadUint64(&count))
		}
	}()
	if err := listener.Listen("127.0.0.1:" + os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
