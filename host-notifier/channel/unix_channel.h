// Connector for a channel whose host end is a unix stream socket that the VMM listens on.
#pragma once

#include <sys/types.h>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "host-notifier/channel/byte_channel.h"

namespace seaward {

// Connects at once (connect(2) on a unix socket never waits here: kBusy when the backlog is full)
// and reports ChannelOpened from the loop. `listener` outlives the channel.
Result<std::unique_ptr<ByteChannel>> ConnectUnixChannel(boost::asio::io_context& loop,
                                                        const std::string& path,
                                                        ChannelListener& listener);

}  // namespace seaward
