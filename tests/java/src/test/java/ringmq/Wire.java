package ringmq;

import java.io.DataInputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import org.apache.rocketmq.remoting.protocol.LanguageCode;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** One connection that speaks the stock client's frames without the stock client's own checks. */
final class Wire implements AutoCloseable {
    private final Socket socket;
    private final DataInputStream in;

    Wire(String address) throws IOException {
        int colon = address.lastIndexOf(':');
        socket = new Socket(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)));
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(10_000);
        in = new DataInputStream(socket.getInputStream());
    }

    static RemotingCommand ask(String address, int code, Map<String, String> fields, byte[] body) throws Exception {
        try (Wire wire = new Wire(address)) { return wire.ask(code, fields, body); }
    }

    /** The response to this request; what the broker asks of us meanwhile is passed over. */
    RemotingCommand ask(int code, Map<String, String> fields, byte[] body) throws Exception {
        RemotingCommand request = RemotingCommand.createRequestCommand(code, null);
        request.setExtFields(new HashMap<>(fields));
        request.setLanguage(LanguageCode.OTHER); // not the stock client: a recording of its frames leaves these out
        request.setBody(body);
        ByteBuffer frame = request.encode();
        socket.getOutputStream().write(frame.array(), frame.arrayOffset(), frame.limit());
        while (true) {
            byte[] answer = new byte[in.readInt()];
            in.readFully(answer);
            RemotingCommand response = RemotingCommand.decode(answer);
            if (response.isResponseType() && response.getOpaque() == request.getOpaque()) return response;
        }
    }

    @Override public void close() throws IOException { socket.close(); }
}
