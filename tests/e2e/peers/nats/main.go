// JetStream from Go, as its users write it: URL publish|take SUBJECT [BODY].
package main

import (
	"fmt"
	"log"
	"os"
	"time"

	"github.com/nats-io/nats.go"
)

func main() {
	connection, err := nats.Connect(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	stream, err := connection.JetStream()
	if err != nil {
		log.Fatal(err)
	}
	if os.Args[2] == "publish" {
		if _, err := stream.Publish(os.Args[3], []byte(os.Args[4])); err != nil {
			log.Fatal(err)
		}
		return
	}
	subscription, err := stream.PullSubscribe(os.Args[3], "taker")
	if err != nil {
		log.Fatal(err)
	}
	messages, err := subscription.Fetch(1, nats.MaxWait(time.Minute))
	if err != nil {
		log.Fatal(err)
	}
	if err := messages[0].AckSync(); err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(messages[0].Data))
}
