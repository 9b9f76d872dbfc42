// SPDX-License-Identifier: Apache-2.0
//
// The naive server in Go: a goroutine and a buffered reader a connection. Answers CONNECT,
// SUBSCRIBE and QoS 1 publishes; looks at no topic, payload, limit or deadline.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
)

const (
	connect   = 1
	publish   = 3
	subscribe = 8
)

func serve(connection net.Conn) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		first, err := reader.ReadByte()
		if err != nil {
			return
		}
		length, shift := 0, 0
		for {
			part, err := reader.ReadByte()
			if err != nil {
				return
			}
			length |= int(part&127) << shift
			if part < 128 {
				break
			}
			shift += 7
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(reader, body); err != nil {
			return
		}
		switch {
		case first>>4 == connect:
			connection.Write([]byte{0x20, 2, 0, 0})
		case first>>4 == subscribe:
			connection.Write([]byte{0x90, 3, body[0], body[1], 1})
		case first>>4 == publish && first&6 != 0:
			id := 2 + int(body[0])<<8 + int(body[1])
			connection.Write([]byte{0x40, 2, body[id], body[id+1]})
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go serve(connection)
	}
}
