// ToolHive's server of Streamable HTTP in front of a program on standard input and output: toolhive PORT PROGRAM [ARGUMENT...]
//
// ToolHive starts programs in containers only, so its own command cannot be measured with the same program as the others. This is its
// package proxy/streamable, fed as its pkg/transport/stdio.go feeds it, but from a pipe in place of the stream of a container, which
// costs less.
package main

import (
	"bufio"
	"context"
	"log"
	"os"
	"os/exec"
	"strconv"

	"github.com/stacklok/toolhive/pkg/transport/proxy/streamable"
	"golang.org/x/exp/jsonrpc2"
)

// The longest line of the program, in bytes.
const longestLine = 1 << 20

func main() {
	port, err := strconv.Atoi(os.Args[1])
	check(err)
	program := exec.Command(os.Args[2], os.Args[3:]...)
	program.Stderr = os.Stderr
	input, err := program.StdinPipe()
	check(err)
	output, err := program.StdoutPipe()
	check(err)
	check(program.Start())

	proxy := streamable.NewHTTPProxy("127.0.0.1", port, nil, nil)
	check(proxy.Start(context.Background()))
	go func() {
		for message := range proxy.GetMessageChannel() {
			line, err := jsonrpc2.EncodeMessage(message)
			check(err)
			_, err = input.Write(append(line, '\n'))
			check(err)
		}
	}()
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		message, err := jsonrpc2.DecodeMessage(lines.Bytes())
		check(err)
		check(proxy.ForwardResponseToClients(context.Background(), message))
	}
	check(lines.Err())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
